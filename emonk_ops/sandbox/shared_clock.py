"""The world's clock as a child process sees it: a shared page to read, a socket to sleep on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import struct
from collections.abc import Collection, Coroutine, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from emonk_ops.sandbox.clock_map import ClockPage, from_nanoseconds, to_nanoseconds

T = TypeVar("T")
PAGE_VARIABLE = "EMONK_SANDBOX_CLOCK_PAGE"
LINK_VARIABLE = "EMONK_SANDBOX_CLOCK_LINK"
MESSAGE = struct.Struct("<cqq")
CHANGE, SLEEP, WITHDRAW, WAKE = b"D", b"S", b"C", b"W"


class SharedClock:
    """Implements the tick service's clock on the sandbox's virtual time.

    What is busy is counted by the sandbox: `start` adds one and the end of the work takes it
    away; a sleep takes one away, and the sandbox adds it again before it sends the wake-up;
    `wait` takes the caller away until the first of its tasks is done. More work is told at once,
    less work at the end of the loop's pass, so that a finished child and its resumed parent
    never look like a moment without work.
    """

    def __init__(self, page: ClockPage, link: socket.socket) -> None:
        self._page = page
        self._link = link
        self._numbers = itertools.count(1)
        self._sleeping: dict[int, asyncio.Future[None]] = {}
        self._pending = 0
        self._flushing = False
        self._attached: asyncio.AbstractEventLoop | None = None
        self._unread = b""

    @classmethod
    def inherited(cls, environment: Mapping[str, str]) -> SharedClock | None:
        """The clock that the sandbox left in this process's environment; None on a real clock."""
        if PAGE_VARIABLE not in environment:
            return None
        handle = int(environment[LINK_VARIABLE])
        os.set_inheritable(handle, False)
        page = ClockPage(Path(environment[PAGE_VARIABLE]), writer=False)
        return cls(page, socket.socket(fileno=handle))

    def now(self) -> datetime:
        return from_nanoseconds(self._page.now_nanoseconds())

    def monotonic(self) -> float:
        return self._page.now_nanoseconds() / 1e9

    async def sleep_until(self, when: datetime) -> None:
        target = to_nanoseconds(when)
        if target <= self._page.now_nanoseconds():
            await asyncio.sleep(0)
            return
        loop = self._attach()
        number = next(self._numbers)
        woken: asyncio.Future[None] = loop.create_future()
        self._sleeping[number] = woken
        self._send(SLEEP, number, target)
        try:
            await woken
        finally:
            if self._sleeping.pop(number, None) is not None:
                self._send(WITHDRAW, number, 0)

    def start(self, work: Coroutine[Any, Any, T], *, name: str = "") -> asyncio.Task[T]:
        self._attach()
        self._change(1)
        task = asyncio.create_task(work, name=name or None)
        task.add_done_callback(lambda _done: self._change(-1))
        return task

    async def wait(
        self, tasks: Collection[asyncio.Task[Any]]
    ) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
        if any(task.done() for task in tasks):
            return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self._attach()
        idle = True

        def resume(_task: object = None) -> None:
            nonlocal idle
            if idle:
                idle = False
                self._change(1)

        for task in tasks:
            task.add_done_callback(resume)
        self._change(-1)
        try:
            return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            resume()
            for task in tasks:
                task.remove_done_callback(resume)

    def _change(self, count: int) -> None:
        self._pending += count
        if self._pending > 0:
            self._flush()
        elif self._pending < 0 and not self._flushing and self._attached is not None:
            self._flushing = True
            self._attached.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._pending:
            self._send(CHANGE, 0, self._pending)
            self._pending = 0

    def _send(self, kind: bytes, number: int, value: int) -> None:
        with contextlib.suppress(OSError):  # the sandbox is gone; its reaper ends this process
            self._link.sendall(MESSAGE.pack(kind, number, value))

    def _attach(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._attached is not loop:
            self._attached = loop
            loop.add_reader(self._link.fileno(), self._receive)
        return loop

    def _receive(self) -> None:
        try:
            data = self._link.recv(65_536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            if self._attached is not None:
                self._attached.remove_reader(self._link.fileno())
            return
        self._unread += data
        whole = len(self._unread) - len(self._unread) % MESSAGE.size
        for _kind, number, _value in MESSAGE.iter_unpack(self._unread[:whole]):
            woken = self._sleeping.pop(number, None)
            if woken is not None and not woken.done():
                woken.set_result(None)
        self._unread = self._unread[whole:]

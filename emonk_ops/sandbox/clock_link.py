"""The sandbox's end of a child process's clock: sleeps in, wake-ups out, activities counted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from emonk_ops.sandbox.clock import WorldClock
from emonk_ops.sandbox.clock_map import from_nanoseconds
from emonk_ops.sandbox.shared_clock import CHANGE, MESSAGE, SLEEP, WAKE, WITHDRAW


class ClockLink:
    """Counts what one process says of itself. `changed` is called after each change of `count`.

    The count may be negative: a request that the front counts and that sleeps in the process
    takes one away here. Only the sum of both means anything.
    """

    def __init__(self, clock: WorldClock, changed: Callable[[], None]) -> None:
        self.count = 0
        self._clock = clock
        self._changed = changed
        self._sleeping: dict[int, Callable[[], None]] = {}
        self._unread = b""
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        asyncio.get_running_loop().add_reader(self._ours.fileno(), self._receive)

    def _receive(self) -> None:
        try:
            data = self._ours.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._unread += data
        whole = len(self._unread) - len(self._unread) % MESSAGE.size
        for kind, number, value in MESSAGE.iter_unpack(self._unread[:whole]):
            self._handle(kind, number, value)
        self._unread = self._unread[whole:]
        self._changed()

    def _handle(self, kind: bytes, number: int, value: int) -> None:
        if kind == CHANGE:
            self.count += value
        elif kind == SLEEP:
            self.count -= 1
            when = from_nanoseconds(value)
            self._sleeping[number] = self._clock.call_at(when, lambda: self._wake(number))
        elif kind == WITHDRAW and (withdraw := self._sleeping.pop(number, None)) is not None:
            withdraw()
            self.count += 1

    def _wake(self, number: int) -> None:
        if self._sleeping.pop(number, None) is None:
            return
        self.count += 1
        self._changed()
        try:
            self._ours.send(MESSAGE.pack(WAKE, number, 0))
        except OSError:
            self.close()  # nobody is left there to be woken

    def close(self) -> None:
        """Forget the process: what it held counts no more, and nothing will wake it."""
        if self._ours.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._ours.fileno())
        self._ours.close()
        for withdraw in self._sleeping.values():
            withdraw()
        self._sleeping.clear()
        self.count = 0
        self._changed()

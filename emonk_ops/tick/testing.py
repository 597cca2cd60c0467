"""A clock that stands still until it is told to move, for tests of jobs and of the service."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
EPOCH = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class ManualClock:
    """Time moves only in `advance`, and stops at every wake-up until all activities are idle."""

    def __init__(self, now: datetime = EPOCH) -> None:
        self._began = now
        self._now = now
        self._order = itertools.count()
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []
        self._busy: set[asyncio.Task[Any]] = set()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._began).total_seconds()

    async def sleep_until(self, when: datetime) -> None:
        if when <= self._now:
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (when, next(self._order), woken))
        with self._idle_until(woken):
            await woken

    def start(self, work: Coroutine[Any, Any, T], *, name: str = "") -> asyncio.Task[T]:
        task = asyncio.create_task(work, name=name or None)
        self._busy.add(task)
        task.add_done_callback(self._busy.discard)
        return task

    async def wait(
        self, tasks: Collection[asyncio.Task[Any]]
    ) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
        if any(task.done() for task in tasks):
            return {t for t in tasks if t.done()}, {t for t in tasks if not t.done()}
        with self._idle_until(*tasks):
            return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    async def advance(self, seconds: float) -> None:
        """Move on by `seconds`, waking sleepers in order and letting each finish its work."""
        target = self._now + timedelta(seconds=seconds)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            when, _, woken = heapq.heappop(self._sleepers)
            self._now = max(self._now, when)
            if not woken.done():
                woken.set_result(None)
            await self.settle()
        self._now = target
        await self.settle()

    def leap(self, seconds: float) -> None:
        """Move on at once and wake nobody: what others see of an instance that stands still."""
        self._now += timedelta(seconds=seconds)

    async def settle(self) -> None:
        """Return once every activity sleeps, waits or is done."""
        while True:
            await asyncio.sleep(0)
            if not self._busy:
                return

    @contextmanager
    def _idle_until(self, *futures: asyncio.Future[Any]) -> Iterator[None]:
        task = asyncio.current_task()
        if task is None or task not in self._busy:
            yield
            return

        # Busy again at the very wake-up, before the loop gets round to running the task.
        def resume(_: object) -> None:
            self._busy.add(task)

        self._busy.discard(task)
        for future in futures:
            future.add_done_callback(resume)
        try:
            yield
        finally:
            for future in futures:
                future.remove_done_callback(resume)
            self._busy.add(task)

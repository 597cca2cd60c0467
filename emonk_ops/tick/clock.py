"""Time as the service uses it. The only module here that reads the machine's clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Coroutine
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
LONGEST_NAP_SECONDS = 30.0


class Clock(Protocol):
    """Platform time: cadence, handler time-outs, back-off, leases.

    Time-outs of calls, the grace of SIGTERM, token lifetimes and caches use real time instead.
    `sleep_until` and `wait` are to be called only inside work begun by `start`: a clock that
    counts activities then knows when the service is idle.
    """

    def now(self) -> datetime:
        """The present moment, aware, in UTC; cheap to read."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, at the speed of `now`."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now()` has reached `when`."""
        ...

    def start(self, work: Coroutine[Any, Any, T], *, name: str = "") -> asyncio.Task[T]:
        """Run `work` as a counted activity: busy until done, save in `sleep_until` and `wait`."""
        raise NotImplementedError

    async def wait(
        self, tasks: Collection[asyncio.Task[Any]]
    ) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
        """Done and pending tasks once the first is done; the caller is idle meanwhile."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep_until(self, when: datetime) -> None:
        # Short naps follow a wall clock that is stepped.
        while True:
            left = (when - self.now()).total_seconds()
            if left <= 0:
                return
            await asyncio.sleep(min(left, LONGEST_NAP_SECONDS))

    def start(self, work: Coroutine[Any, Any, T], *, name: str = "") -> asyncio.Task[T]:
        return asyncio.create_task(work, name=name or None)

    async def wait(
        self, tasks: Collection[asyncio.Task[Any]]
    ) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
        return await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


def real_seconds() -> float:
    """Real monotonic seconds, for caches and call time-outs, whatever clock was handed in."""
    return time.monotonic()

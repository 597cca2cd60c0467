"""The world's clock: real, or virtual over real processes.

Virtual time runs at wall speed while anything is busy and stands still when nothing is. It jumps
to the next wake-up only when all are idle and somebody waits for a later time; it never jumps past
what the nearest waiter asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from emonk_ops.sandbox.clock_map import ClockPage, from_nanoseconds, to_nanoseconds

Mode = Literal["real", "virtual"]
# Passes of the event loop that must bring nothing before time may jump: each pass reads every
# descriptor that is readable (log pipes, clock messages, requests), and what it reads may need
# one more pass to be acted on.
_SETTLING_PASSES = 4


def real_now() -> datetime:
    """The machine's time, for what clients check by their own clock (token lifetimes)."""
    return datetime.now(UTC)


def real_seconds() -> float:
    """Real monotonic seconds, for deadlines of starting and stopping."""
    return time.monotonic()


def wait_a_moment() -> None:
    """Block for a hundredth of a second, between two looks at another process."""
    time.sleep(0.01)


class Hold:
    """A reason for time to run: counted from `WorldClock.busy()` until released.

    A hold can be lent to a request (`suspend` when the front takes it over, `resume` when the
    answer goes out), so that who awaits an answer is idle exactly while the target works on it.
    """

    def __init__(self, clock: WorldClock, label: str) -> None:
        self._clock = clock
        self.label = label
        self.token = f"{next(clock.numbers)}"
        self._counted = False
        self._released = False

    def suspend(self) -> None:
        if self._counted:
            self._counted = False
            self._clock.add_activity(self.label, -1)

    def resume(self) -> None:
        if not self._counted and not self._released:
            self._counted = True
            self._clock.add_activity(self.label, 1)

    def release(self) -> None:
        self.suspend()
        self._released = True


class WorldClock:
    """`now()`, `sleep_until()`, `busy()` for everything inside the sandbox's own process."""

    def __init__(
        self, mode: Mode, page_path: Path | None = None, *, start: datetime | None = None
    ) -> None:
        self.mode: Mode = mode
        self.numbers = itertools.count(1)
        self._activities: dict[str, int] = {}
        self._busy = 0
        self._changes = 0
        self._sleepers: list[tuple[int, int, Callable[[], None]]] = []
        self._cancelled: set[int] = set()
        self._waiters: list[int] = []
        self._holds: dict[str, Hold] = {}
        self._advancing: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._page: ClockPage | None = None
        if mode == "virtual":
            if page_path is None:
                raise ValueError("a virtual clock needs the path of its shared page")
            self._page = ClockPage(page_path, writer=True)
            first = start or real_now()
            self._page.write(max(self._page.base(), to_nanoseconds(first)), running=False)

    # -- reading ---------------------------------------------------------------------------

    def now(self) -> datetime:
        """The world's present moment, aware, in UTC."""
        return from_nanoseconds(self.now_nanoseconds())

    def now_nanoseconds(self) -> int:
        if self._page is None:
            return to_nanoseconds(real_now())
        return self._page.now_nanoseconds()

    @property
    def waiting(self) -> datetime | None:
        """The nearest time that somebody waits for, or None."""
        return from_nanoseconds(min(self._waiters)) if self._waiters else None

    @property
    def activities(self) -> list[str]:
        """Labels of what makes time run now."""
        return sorted(label for label, count in self._activities.items() if count > 0)

    # -- being busy ------------------------------------------------------------------------

    def add_activity(self, label: str, change: int) -> None:
        """Count `change` activities more (or fewer) under `label`."""
        count = self._activities.get(label, 0)
        self._set_activity(label, count + change)

    def set_activity(self, label: str, count: int) -> None:
        """Say that `label` holds `count` activities; below 1 is idle. The count replaces."""
        self._set_activity(label, count)

    def _set_activity(self, label: str, count: int) -> None:
        was_busy = self._activities.get(label, 0) > 0
        if count:
            self._activities[label] = count
        else:
            self._activities.pop(label, None)
        self._changes += 1
        self._busy += (count > 0) - was_busy
        if was_busy != (count > 0):
            self._busy_changed()

    @contextlib.contextmanager
    def busy(self, label: str) -> Iterator[Hold]:
        """Time runs while the block does, except while its hold is lent out (see `Hold`)."""
        hold = Hold(self, f"{label}#{next(self.numbers)}")
        self._holds[hold.token] = hold
        hold.resume()
        try:
            yield hold
        finally:
            self._holds.pop(hold.token, None)
            hold.release()

    def hold(self, token: str) -> Hold | None:
        """The live hold with this token: the front lends it out while a request is served."""
        return self._holds.get(token)

    # -- sleeping and waiting --------------------------------------------------------------

    def call_at(self, when: datetime, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` once when the world reaches `when`; returns a function that withdraws it.

        A platform timer: it is a time to jump to, and no reason to jump.
        """
        number = next(self.numbers)
        heapq.heappush(self._sleepers, (to_nanoseconds(when), number, wake))
        self._changes += 1
        self._schedule()

        def withdraw() -> None:
            self._cancelled.add(number)

        return withdraw

    async def sleep_until(self, when: datetime) -> None:
        """Return once `now()` has reached `when` (aware); at once when it has passed."""
        if to_nanoseconds(when) <= self.now_nanoseconds():
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        withdraw = self.call_at(when, wake)
        try:
            await woken
        except asyncio.CancelledError:
            withdraw()
            raise

    async def wait_until(self, when: datetime) -> None:
        """As `sleep_until`, and a reason for time to jump: an operator waits for `when`."""
        target = to_nanoseconds(when)
        self._waiters.append(target)
        self._schedule()
        try:
            await self.sleep_until(when)
        finally:
            self._waiters.remove(target)
            self._schedule()

    # -- the passing of time ---------------------------------------------------------------

    def _busy_changed(self) -> None:
        if self._page is not None:
            self._page.write(self._page.now_nanoseconds(), running=self._busy > 0)
        self._schedule()

    def _schedule(self) -> None:
        """Arrange for the next wake-up: by an alarm while time runs, else by jumping."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self.mode == "real" or self._busy:
            first = self._next_wake()
            if first is not None:
                delay = max(0.0, (first - self.now_nanoseconds()) / 1e9)
                loop = asyncio.get_running_loop()
                self._alarm = loop.call_later(min(delay, 3_600.0), self._ring)
        elif self._waiters and (self._advancing is None or self._advancing.done()):
            self._advancing = asyncio.get_running_loop().create_task(self._advance())

    def _ring(self) -> None:
        self._alarm = None
        self._wake_due()
        self._schedule()

    def _next_wake(self) -> int | None:
        while self._sleepers and self._sleepers[0][1] in self._cancelled:
            self._cancelled.discard(heapq.heappop(self._sleepers)[1])
        return self._sleepers[0][0] if self._sleepers else None

    def _wake_due(self) -> None:
        """Wake everybody whose time has come; all of one instant before time moves on."""
        now = self.now_nanoseconds()
        while (first := self._next_wake()) is not None and first <= now:
            _, _, wake = heapq.heappop(self._sleepers)
            self._changes += 1
            wake()

    async def _settled(self) -> bool:
        """True when several passes of the loop brought nothing new while all were idle."""
        for _ in range(_SETTLING_PASSES):
            before = self._changes
            await asyncio.sleep(0)
            if self._busy or self._changes != before:
                return False
        return True

    async def _advance(self) -> None:
        while self._waiters and not self._busy:
            if not await self._settled():
                continue
            if not self._waiters:
                return
            first = self._next_wake()
            target = min(self._waiters) if first is None else min(first, *self._waiters)
            if self._page is not None and target > self.now_nanoseconds():
                self._page.write(target, running=False)
            self._wake_due()

    def close(self) -> None:
        """Stop moving time; the page keeps the last moment for the next start."""
        if self._alarm is not None:
            self._alarm.cancel()
        if self._advancing is not None:
            self._advancing.cancel()
        if self._page is not None:
            self._page.write(self._page.now_nanoseconds(), running=False)
            self._page.close()

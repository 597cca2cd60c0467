"""Time on the operator's side. The only module here that reads the machine's clock or sleeps."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What a rollout measures time with: the machine's clock, or the sandbox's."""

    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...

    def sleep_until(self, when: datetime) -> None:
        """Return once `now()` has reached `when` (aware); at once when it has passed."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep_until(self, when: datetime) -> None:
        while (left := (when - self.now()).total_seconds()) > 0:
            time.sleep(min(left, 1.0))


class ReliableClock:
    """Another clock, and a second one for while the first cannot be asked."""

    def __init__(self, first: Callable[[], Clock], second: Clock, failure: type[Exception]) -> None:
        self._first = first
        self._second = second
        self._failure = failure

    def now(self) -> datetime:
        try:
            return self._first().now()
        except self._failure:
            return self._second.now()

    def sleep_until(self, when: datetime) -> None:
        try:
            self._first().sleep_until(when)
        except self._failure:
            self._second.sleep_until(when)


class Stopwatch:
    """Real elapsed seconds of the operator's own actions, whatever clock the target runs on."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def process_age() -> float:
    """Real seconds since this process was started, as far as the machine tells; else 0."""
    try:
        born = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0.0
    return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - born / os.sysconf("SC_CLK_TCK"))


def sleep(clock: Clock, seconds: float) -> None:
    """Sleep on `clock` for `seconds`."""
    clock.sleep_until(clock.now() + timedelta(seconds=seconds))

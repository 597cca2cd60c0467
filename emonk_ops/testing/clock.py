"""Time that moves only when somebody waits for it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

START = datetime(2026, 1, 5, 9, 0, 30, tzinfo=UTC)
Heard = Callable[[datetime, datetime], None]


class ManualClock:
    """See `emonk_ops.clock.Clock`. `on_move(before, after)` hears of each wait, while it moves."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self.on_move: Heard = lambda _before, _after: None

    def now(self) -> datetime:
        return self._now

    def sleep_until(self, when: datetime) -> None:
        if when > self._now:
            self.on_move(self._now, when)
            self.set(when)

    def set(self, when: datetime) -> None:
        """Move on without anybody hearing of it; never back."""
        self._now = max(self._now, when)

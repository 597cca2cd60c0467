"""What a shadow is judged by: the window, the cadence, and margins that follow it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

DISPATCH_SECONDS = 15.0  # Cloud Scheduler reaches a service 5 to 8 s behind the slot
GRACE_SPARE_SECONDS = 30.0  # as the service has it: the other path waits a cadence and this
LATEST_START_SECONDS = 30.0


@dataclass(frozen=True)
class Rules:
    """`begin`..`end` is the window. `interval_seconds` is the cadence's longest pause.

    `lease_seconds` and the other limits are the service's settings; a slot in hand of a crashed
    instance may be had again when its lease has expired.
    """

    begin: datetime
    end: datetime
    cadence: str
    time_zone: str = "UTC"
    interval_seconds: float = 60.0
    lease_seconds: float = 300.0
    duration_margin: float = 1.25  # a ratio, and its inverse
    error_margin: float = 0.01
    least_pairs: int = 6  # below it no paired test can reject
    least_share: float = 0.9
    least_hours: float = 1.0

    @property
    def grace_seconds(self) -> float:
        """How long a slot is its owner's alone."""
        return self.interval_seconds + GRACE_SPARE_SECONDS

    @property
    def punctual_seconds(self) -> float:
        """By when the path that owns a slot begins it."""
        return self.interval_seconds + DISPATCH_SECONDS

    @property
    def lateness_margin_seconds(self) -> float:
        """How much later than the loop Cloud Scheduler's ticks may run the same job."""
        return DISPATCH_SECONDS + self.interval_seconds / 4

    @property
    def horizon(self) -> timedelta:
        """How long behind its slot whatever happens to it has happened."""
        return timedelta(seconds=self.grace_seconds + self.punctual_seconds + self.lease_seconds)

    @property
    def patience(self) -> timedelta:
        """How long behind its slot a tick may arrive and still be that slot's."""
        return timedelta(seconds=min(LATEST_START_SECONDS, self.interval_seconds / 2))

    @property
    def hours(self) -> float:
        return (self.end - self.begin).total_seconds() / 3600

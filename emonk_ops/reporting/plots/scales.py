"""From values to pixels, and where the marks of an axis are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
HOURS = (1, 2, 3, 4, 6, 12, 24, 48, 96, 168, 336, 672)
TIME_STEPS = tuple(timedelta(seconds=one) for one in (*SECONDS, *(3600 * one for one in HOURS)))


@dataclass(frozen=True)
class Linear:
    """`low`..`high` onto pixels `first`..`last`."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.first + (value - self.low) / span * (self.last - self.first)

    def marks(self, most: int = 5) -> list[float]:
        """Round values within the range."""
        span = self.high - self.low
        if span <= 0:
            return [self.low]
        size = 10 ** math.floor(math.log10(span / most))
        step = next(one * size for one in STEPS if span / (one * size) <= most)
        first = math.ceil(self.low / step - 1e-9)
        count = math.floor(self.high / step + 1e-9) - first
        return [(first + number) * step for number in range(count + 1)]


@dataclass(frozen=True)
class Log:
    """As Linear, by the logarithm; values at or below zero are at the low end."""

    low: float
    high: float
    first: float
    last: float

    def __call__(self, value: float) -> float:
        kept = min(max(value, self.low), self.high)
        share = math.log(kept / self.low) / math.log(self.high / self.low)
        return self.first + share * (self.last - self.first)

    def marks(self) -> list[float]:
        """The powers of ten within the range."""
        first, last = math.log10(self.low), math.log10(self.high)
        return [10.0**one for one in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1)]


@dataclass(frozen=True)
class Times:
    """Instants onto pixels."""

    since: datetime
    until: datetime
    first: float
    last: float

    def __call__(self, at: datetime) -> float:
        span = (self.until - self.since).total_seconds() or 1.0
        return self.first + (at - self.since).total_seconds() / span * (self.last - self.first)

    def marks(self, most: int = 6) -> list[tuple[datetime, str]]:
        """Round instants (UTC) and what is written there; the first of a day says its date."""
        span = self.until - self.since
        step = next((one for one in TIME_STEPS if span / one <= most), TIME_STEPS[-1])
        return list(_labelled(_round_instants(self.since, self.until, step), step))


def _round_instants(since: datetime, until: datetime, step: timedelta) -> Iterator[datetime]:
    midnight = since.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + math.ceil((since - midnight) / step) * step
    while at <= until:
        yield at
        at += step


def _labelled(found: Iterator[datetime], step: timedelta) -> Iterator[tuple[datetime, str]]:
    day = None
    for at in found:
        clock = f"{at:%H:%M:%S}" if step < timedelta(minutes=1) else f"{at:%H:%M}"
        new = at.date() != day
        day = at.date()
        whole_days = step >= timedelta(days=1)
        yield at, f"{at:%d %b}" if whole_days else (f"{at:%d %b} {clock}" if new else clock)


def nice_top(values: Sequence[float], least: float) -> float:
    """A round number at or above all values."""
    top = max((*values, least))
    size = 10.0 ** math.floor(math.log10(top))
    return next(one * size for one in STEPS if one * size >= top - 1e-12)


def number(value: float) -> str:
    """As short as it can be said: 0.005, 2.5, 30, 1,440."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"

"""Numbers and instants as a report says them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from emonk_ops.rollout.sentences import time_left

TENTH, MINUTE, HOUR, DAY = 0.0995, 60.0, 3_600.0, 86_400.0


def span(seconds: float) -> str:
    """`24 h 15 m`, `7 d 2 h`; below a minute with a decimal: `0.4 s`; `3 ms`."""
    if seconds < TENTH:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    if DAY <= seconds < 2 * DAY:  # a day's soak is known by its 24 hours
        return f"{seconds // HOUR:.0f} h {seconds % HOUR // MINUTE:.0f} m"
    return time_left(timedelta(seconds=seconds))


def instant(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z"


def count(number: int, one: str, many: str = "") -> str:
    """`1 rollback`, `2 rollbacks`, `no rollback`."""
    if number == 0:
        return f"no {one}"
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    found = list(words)
    if len(found) < 2:
        return "".join(found)
    return f"{', '.join(found[:-1])} and {found[-1]}"


def ranged(numbers: Iterable[int]) -> str:
    """`0 to 3`, `0, 2 and 3`."""
    found = sorted(numbers)
    if len(found) > 2 and found[-1] - found[0] == len(found) - 1:
        return f"{found[0]} to {found[-1]}"
    return listed(str(one) for one in found)

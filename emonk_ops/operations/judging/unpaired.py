"""Two groups that cannot be paired: how far one lies above the other, and how surely.

The shift is Hodges and Lehmann's: the one that makes the groups look alike to Mann and Whitney's
count. It asks nothing of the distribution, an outlier weighs no more than its rank, and on
logarithms it is a ratio. Groups of several strata (endpoints that differ by nature) are compared
within each, and the counts are weighed together as van Elteren does, so that a change of the mix
of requests is no change of latency. The interval holds the shifts that the test does not refute.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from emonk_ops.operations.judging.statistics import Estimate

BISECTIONS = 32


@dataclass(frozen=True)
class Stratum:
    """Values of one kind, before and after; both sorted."""

    before: Sequence[float]
    after: Sequence[float]

    @classmethod
    def of(cls, before: Sequence[float], after: Sequence[float]) -> Stratum:
        return cls(sorted(before), sorted(after))

    @property
    def weight(self) -> float:
        return 1 / (len(self.before) + len(self.after) + 1)

    @property
    def variance(self) -> float:
        """Of the count, where both are alike."""
        m, n = len(self.before), len(self.after)
        return m * n * (m + n + 1) / 12

    def excess(self, shift: float) -> float:
        """Pairs in which `after`, moved back by `shift`, is above, less what chance would give."""
        above = 0.0
        for value in self.after:
            moved = value - shift
            above += (bisect_left(self.before, moved) + bisect_right(self.before, moved)) / 2
        return above - len(self.before) * len(self.after) / 2


def shift_between(strata: Sequence[Stratum], *, tests: int = 1) -> Estimate:
    """The common shift with an interval at 90 %, and a wider one for `tests` questions at once.

    By the normal approximation, with a correction for continuity; good from about ten values on.
    Raises ValueError where no stratum has values on both sides.
    """
    usable = [one for one in strata if one.before and one.after]
    if not usable:
        raise ValueError("no values on both sides to estimate a shift from")
    spread = math.sqrt(sum(one.weight**2 * one.variance for one in usable))
    step = max(one.weight for one in usable) / 2
    normal = NormalDist()
    near, wide = (-normal.inv_cdf(tail) * spread + step for tail in (0.05, 0.05 / tests))
    return Estimate(
        n=sum(len(one.after) for one in usable),
        shift=_shift_at(usable, 0.0),
        low=_shift_at(usable, near),
        high=_shift_at(usable, -near),
        wide_low=_shift_at(usable, wide),
        wide_high=_shift_at(usable, -wide),
    )


def _shift_at(strata: Sequence[Stratum], level: float) -> float:
    """Where the weighed excess falls through `level`; without end where it never does."""

    def weighed(shift: float) -> float:
        return sum(one.weight * one.excess(shift) for one in strata)

    low = min(one.after[0] - one.before[-1] for one in strata) - 1e-9
    high = max(one.after[-1] - one.before[0] for one in strata) + 1e-9
    if weighed(low) <= level:
        return -math.inf
    if weighed(high) >= level:
        return math.inf
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if weighed(middle) > level:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def rate_difference(
    before: int, n_before: int, after: int, n_after: int, *, tail: float = 0.05
) -> tuple[float, float]:
    """How much higher the rate is after than before: one-sided bounds (Newcombe, by Wilson's).

    Raises ValueError where one side has no values.
    """
    if n_before < 1 or n_after < 1:
        raise ValueError("a rate needs values on both sides")
    was, now = before / n_before, after / n_after
    was_low, was_high = _wilson(was, n_before, tail)
    now_low, now_high = _wilson(now, n_after, tail)
    low = now - was - math.hypot(now - now_low, was_high - was)
    high = now - was + math.hypot(now_high - now, was - was_low)
    return low, high


def _wilson(rate: float, n: int, tail: float) -> tuple[float, float]:
    z = -NormalDist().inv_cdf(tail)
    middle = rate + z * z / (2 * n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)

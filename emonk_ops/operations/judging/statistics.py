"""What a few pairs can prove: Hodges-Lehmann with its interval, the sign test, equivalence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist, median

from emonk_ops.rollout.model import Verdict

EXACT_UP_TO = 30


@dataclass(frozen=True)
class Estimate:
    """A shift with its two-sided interval at 90 %, and a wider one that FAIL has to stand."""

    n: int
    shift: float
    low: float
    high: float
    wide_low: float
    wide_high: float


def shift_of(values: Sequence[float], *, tests: int = 1) -> Estimate:
    """The pseudo-median of paired differences (Hodges and Lehmann), intervals by Walsh averages.

    The wider interval allows for `tests` such questions asked at once (Bonferroni). Raises
    ValueError for no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values to estimate a shift from")
    averages = sorted((values[i] + values[j]) / 2 for i in range(n) for j in range(i, n))
    low, high = _interval(averages, n, 0.05)
    wide_low, wide_high = _interval(averages, n, 0.05 / tests)
    return Estimate(n, median(averages), low, high, wide_low, wide_high)


def _interval(averages: Sequence[float], n: int, tail: float) -> tuple[float, float]:
    cut = _critical(n, tail)
    if cut < 0:
        return -math.inf, math.inf
    return averages[cut], averages[len(averages) - 1 - cut]


@lru_cache(maxsize=1_000)
def _critical(n: int, tail: float) -> int:
    """The largest signed-rank sum that is no more likely than `tail`; -1 where none is.

    Exact up to 30 pairs, then by the normal approximation.
    """
    if n > EXACT_UP_TO:
        spread = math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
        return math.floor(n * (n + 1) / 4 + NormalDist().inv_cdf(tail) * spread - 0.5)
    ways = [1]
    for rank in range(1, n + 1):
        ways += [0] * rank
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    cut, sofar = -1, 0
    while (sofar + ways[cut + 1]) / 2**n <= tail:
        cut += 1
        sofar += ways[cut]
    return cut


def equivalence(found: Estimate, lowest: float, highest: float) -> Verdict:
    """PASS inside the margins, FAIL wholly outside, else INCONCLUSIVE."""
    if lowest < found.low and found.high < highest:
        return Verdict.PASS
    if found.wide_low > highest or found.wide_high < lowest:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE


def pairs_needed(found: Estimate, lowest: float, highest: float) -> int | None:
    """About how many pairs would settle it; None where the shift is too near to a margin."""
    gaps = [abs(edge - found.shift) for edge in (lowest, highest) if math.isfinite(edge)]
    half = (found.high - found.low) / 2
    if not math.isfinite(half) or min(gaps) <= 0.05 * half:
        return None
    return max(found.n + 1, math.ceil(found.n * (half / min(gaps)) ** 2))


def one_sided_sign_test(worse: int, better: int) -> float:
    """The probability of so many or more `worse` among those that differ, if it were chance."""
    n = worse + better
    return sum(math.comb(n, k) for k in range(worse, n + 1)) / float(2**n)

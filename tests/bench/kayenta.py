"""A judge by significance alone, as canary analysis has it: a Mann-Whitney test a metric.

A metric fails where the interval of the shift (Hodges and Lehmann, 98 %) lies wholly beyond a
quarter of the estimate; whatever is not significant passes, and so does what has no spread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, median

TAIL = 0.01
TOLERANCE = 0.25
MOST = 120  # of each side; the differences of more take long and say the same


def like_kayenta(metrics: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> str:
    """FAIL where a metric of the second side lies higher, else PASS."""
    found = [classified(control, canary) for control, canary in metrics.values()]
    return "FAIL" if "High" in found else "PASS"


def classified(control: Sequence[float], canary: Sequence[float]) -> str:
    """High, Low or Pass."""
    if not control or not canary:
        return "Pass"
    one, other = control[:MOST], canary[:MOST]
    shifts = sorted(b - a for a in one for b in other)
    cut = _cut(len(one), len(other))
    if cut < 0:
        return "Pass"
    low, high = shifts[cut], shifts[-1 - cut]
    allowed = TOLERANCE * abs(median(shifts))
    if low > allowed:
        return "High"
    return "Low" if high < -allowed else "Pass"


def _cut(n: int, m: int) -> int:
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    return math.floor(n * m / 2 + NormalDist().inv_cdf(TAIL) * spread)

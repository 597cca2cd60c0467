"""Whether a percentile lies below a limit, by how many samples lie above it. No model is used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.verdicts import error_rate_bound

LESSER = (0.95, 0.90)


@dataclass(frozen=True)
class Percentile:
    """`bound` is the most that the share above the limit can be (95 %), `least` the least."""

    n: int
    share: float
    limit: float
    above: int
    bound: float
    least: float
    value: float | None  # the percentile that n can bear, of the samples
    borne: float  # which one that is; 0.0 without enough samples

    @property
    def verdict(self) -> Verdict:
        """PASS and FAIL only where n proves it."""
        if self.n and self.least > 1 - self.share:
            return Verdict.FAIL
        return Verdict.PASS if self.bound <= 1 - self.share else Verdict.INCONCLUSIVE

    def sentence(self) -> str:
        if self.value is None:
            return f"n={self.n}: too few for any percentile"
        name = f"p{self.borne * 100:.0f}"
        told = f"n={self.n}, {self.above} above {self.limit:g} s, {name} {self.value:.3f} s"
        if self.borne < self.share:
            needed = samples_for(self.share) - self.n
            told += f" (p{self.share * 100:.0f} needs {max(1, needed)} more)"
        return told

    def facts(self) -> dict[str, Any]:
        return {
            "n": self.n,
            "above": self.above,
            "bound": round(self.bound, 5),
            "percentile": self.borne,
            "seconds": self.value,
        }


def at_most(samples: Sequence[float], share: float, limit: float) -> Percentile:
    """Whether `share` of all there could be lie at or below `limit`."""
    n = len(samples)
    above = sum(one > limit for one in samples)
    bound = error_rate_bound(n, above) if n else 1.0
    least = 1 - error_rate_bound(n, n - above) if n else 0.0
    borne = next((one for one in (share, *LESSER) if n >= samples_for(one)), 0.0)
    value = sorted(samples)[min(n - 1, math.ceil(borne * n) - 1)] if borne else None
    return Percentile(n, share, limit, above, bound, least, value, borne)


def samples_for(share: float, confidence: float = 0.95) -> int:
    """How many samples, all below, prove it: 299 for p99, 59 for p95, 29 for p90."""
    return math.ceil(math.log(1 - confidence) / math.log(share))

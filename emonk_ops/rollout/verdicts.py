"""From findings to one exit code, and what a number of samples can prove."""

from __future__ import annotations

import math
from collections.abc import Iterable

from emonk_ops.errors import ExitCode, most_urgent
from emonk_ops.rollout.model import CheckResult, Verdict

EXIT_CODE_OF_VERDICT: dict[Verdict, ExitCode] = {
    Verdict.PASS: ExitCode.DONE,
    Verdict.FAIL: ExitCode.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.ERROR: ExitCode.CLOUD,
    Verdict.ASK: ExitCode.REFUSED,
    Verdict.WAITING: ExitCode.WAITING,
}
BISECTIONS = 60


def exit_code_of(results: Iterable[CheckResult]) -> ExitCode:
    """The most urgent exit code of the checks that do not hold; DONE when all hold."""
    return most_urgent(
        [EXIT_CODE_OF_VERDICT[result.finding.verdict] for result in results if not result.holds]
    )


def overall(verdicts: Iterable[Verdict]) -> Verdict:
    """One FAIL fails; anything else that is no PASS, or nothing at all, keeps it from passing."""
    found = list(verdicts)
    if Verdict.FAIL in found:
        return Verdict.FAIL
    passed = bool(found) and all(one is Verdict.PASS for one in found)
    return Verdict.PASS if passed else Verdict.INCONCLUSIVE


def error_rate_bound(n: int, failures: int = 0, confidence: float = 0.95) -> float:
    """The one-sided upper bound on a rate after `failures` in `n` samples (Clopper-Pearson).

    Exact: the smallest rate that `n` samples refute at `confidence`. 1.0 for no samples.
    Raises ValueError for numbers that cannot be counts.
    """
    if not 0 <= failures <= max(n, 0) or n < 0 or not 0 < confidence < 1:
        raise ValueError(f"not counts: {failures} failures in {n} at confidence {confidence}")
    alpha = 1 - confidence
    if failures == n:
        return 1.0
    if failures == 0:
        return float(1 - alpha ** (1 / n))
    low, high = failures / n, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _at_most(failures, n, middle) > alpha:
            low = middle
        else:
            high = middle
    return high


def clean_samples_for(rate: float, confidence: float = 0.95) -> int:
    """How many samples without a failure prove that the error rate is below `rate`."""
    if not 0 < rate < 1:
        raise ValueError(f"a rate lies between 0 and 1, not at {rate}")
    needed = math.ceil(math.log(1 - confidence) / math.log1p(-rate))
    return needed if error_rate_bound(needed, 0, confidence) < rate else needed + 1


def more_clean_samples(n: int, failures: int, rate: float, confidence: float = 0.95) -> int:
    """How many further clean samples bring the bound below `rate`; 0 when it is there."""
    if error_rate_bound(n, failures, confidence) < rate:
        return 0
    step = max(1, clean_samples_for(rate, confidence))
    high = step
    while error_rate_bound(n + high, failures, confidence) >= rate:
        high *= 2
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        if error_rate_bound(n + middle, failures, confidence) < rate:
            high = middle
        else:
            low = middle
    return high


def bound_sentence(n: int, failures: int = 0, confidence: float = 0.95) -> str:
    """What a count proves, in words: `n=12, 0 failed: error rate < 22.1 % (95 %)`."""
    bound = error_rate_bound(n, failures, confidence)
    return f"n={n}, {failures} failed: error rate < {bound:.1%} ({confidence:.0%})"


def _at_most(failures: int, n: int, rate: float) -> float:
    """The probability of at most `failures` in `n` at `rate` (0 < rate < 1)."""
    if rate >= 1:
        return 0.0
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    whole = math.lgamma(n + 1)
    terms = (
        whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_rate + (n - k) * log_rest
        for k in range(failures + 1)
    )
    return math.fsum(math.exp(term) for term in terms)

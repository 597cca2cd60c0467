"""Timing and errors: equivalence of the two paths, and how much more it would take to say so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.samples import Pairs, Sample
from emonk_ops.operations.judging.statistics import (
    Estimate,
    equivalence,
    one_sided_sign_test,
    pairs_needed,
    shift_of,
)
from emonk_ops.operations.judging.verdicts import Ruling
from emonk_ops.operations.judging.witnesses import Witnesses
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.verdicts import error_rate_bound, more_clean_samples

TESTS = 4  # tendencies that may fail a window, each by chance
SIGNIFICANCE = 0.05 / TESTS


def tendencies(pairs: Pairs, witnesses: Witnesses, rules: Rules) -> Iterator[Ruling]:
    """Duration, lateness, errors of jobs, errors of ticks."""
    margin = math.log(rules.duration_margin)
    yield _compared(
        "durations", pairs.durations, pairs.durations_again, (-margin, margin), rules, _ratio
    )
    # To be earlier than the loop is no fault: a tick that comes too early is an invariant's matter.
    latest = rules.lateness_margin_seconds
    bounds = (-math.inf, latest)
    yield _compared("lateness", pairs.lateness, pairs.lateness_again, bounds, rules, _seconds)
    yield _job_errors(pairs, rules)
    yield _tick_errors(witnesses, rules)


def _compared(
    name: str,
    sample: Sample,
    again: Sample,
    bounds: tuple[float, float],
    rules: Rules,
    told: _Told,
) -> Ruling:
    facts: dict[str, object] = {"n": sample.n, "a_a_n": again.n}
    least = rules.least_pairs
    if sample.n < least:
        missing = least - sample.n
        summary = f"{sample.n} pairs; needs {missing} more{_time(missing, sample.n, rules)}"
        facts["more_seconds"] = _seconds_for(missing, sample.n, rules)
        return Ruling(name, "tendency", Verdict.INCONCLUSIVE, summary, facts)
    found = shift_of(sample.values, tests=TESTS)
    verdict = equivalence(found, *bounds)
    summary = f"n={sample.n}, {told(found)} against {told.margin(bounds)}"
    facts |= {"shift": found.shift, "low": found.low, "high": found.high}
    if verdict is Verdict.INCONCLUSIVE:
        needed = pairs_needed(found, *bounds)
        more = None if needed is None else max(1, needed - found.n)
        facts["more_seconds"] = None if more is None else _seconds_for(more, sample.n, rules)
        summary += (
            "; too near to the margin to be settled by more pairs"
            if more is None
            else f"; needs about {more} more{_time(more, sample.n, rules)}"
        )
        return Ruling(name, "tendency", verdict, summary, facts)
    noise = _noise(again, bounds, rules, verdict)
    if noise:
        missing = least - again.n
        facts["more_seconds"] = _seconds_for(missing, again.n, rules) if missing > 0 else None
        return Ruling(name, "tendency", Verdict.INCONCLUSIVE, f"{summary}; {noise}", facts)
    return Ruling(name, "tendency", verdict, summary, facts)


def _noise(again: Sample, bounds: tuple[float, float], rules: Rules, verdict: Verdict) -> str:
    """What a path compared with itself says against the verdict; "" where it bears it out."""
    if again.n < rules.least_pairs:
        short = f"only {again.n} pairs of a path with itself"
        return f"{short}, so the noise is not known" if verdict is Verdict.PASS else ""
    calm = equivalence(shift_of(again.values, tests=TESTS), *bounds)
    if calm is Verdict.FAIL or (calm is not Verdict.PASS and verdict is Verdict.PASS):
        return f"a path compared with itself is {calm}: too noisy to tell"
    return ""


class _Told:
    """How a shift of one kind is told."""

    def __init__(self, *, ratio: bool) -> None:
        self._is_ratio = ratio

    def __call__(self, found: Estimate) -> str:
        low, high = self._plain(found.low), self._plain(found.high)
        what = "ticks take" if self._is_ratio else "ticks begin"
        behind = "times the loop's" if self._is_ratio else "s behind the loop"
        return f"{what} {self._plain(found.shift):.2f} {behind} (90 %: {low:.2f} to {high:.2f})"

    def margin(self, bounds: tuple[float, float]) -> str:
        low, high = (self._plain(edge) for edge in bounds)
        if self._is_ratio:
            return f"{low:.2f} to {high:.2f}"
        return f"at most {high:.1f} s"

    def _plain(self, value: float) -> float:
        return math.exp(value) if self._is_ratio else value


_ratio = _Told(ratio=True)
_seconds = _Told(ratio=False)


def _job_errors(pairs: Pairs, rules: Rules) -> Ruling:
    """Pairs of which only one failed, in McNemar's way."""
    n, worse, better = pairs.n, pairs.errors_of_tick, pairs.errors_of_loop
    facts = {"n": n, "only_ticks_failed": worse, "only_loop_failed": better}
    facts["both_failed"] = pairs.errors_of_both
    told = f"n={n} pairs: only the tick's run failed in {worse}, only the loop's in {better}"
    if worse > better and one_sided_sign_test(worse, better) < SIGNIFICANCE:
        return Ruling("job-errors", "tendency", Verdict.FAIL, told, facts)
    return _rate("job-errors", told, n, worse, rules, facts)


def _tick_errors(seen: Witnesses, rules: Rules) -> Ruling:
    failed = seen.refused.total()
    n = seen.answered + failed
    facts = {"n": n, "failed": failed, "statuses": {str(k): v for k, v in seen.refused.items()}}
    told = f"{failed} of {n} ticks were answered with an error"
    if failed and error_rate_bound(n, n - failed, 1 - SIGNIFICANCE) < 1 - rules.error_margin:
        return Ruling("tick-errors", "tendency", Verdict.FAIL, told, facts)
    return _rate("tick-errors", told, n, failed, rules, facts)


def _rate(
    name: str,
    told: str,
    n: int,
    failed: int,
    rules: Rules,
    facts: Mapping[str, object],
) -> Ruling:
    bound, margin = error_rate_bound(n, failed), rules.error_margin
    told += f"; the rate is below {bound:.1%} (95 %)"
    if bound < margin:
        return Ruling(name, "tendency", Verdict.PASS, told, facts)
    more = more_clean_samples(n, failed, margin)
    facts = {**facts, "more_seconds": _seconds_for(more, n, rules)}
    told += f"; below {margin:.0%} needs {more} more without one{_time(more, n, rules)}"
    return Ruling(name, "tendency", Verdict.INCONCLUSIVE, told, facts)


def _seconds_for(more: int, n: int, rules: Rules) -> float | None:
    """How long so many more samples take at the pace of this window; None without a pace."""
    return more / n * rules.hours * 3600 if n else None


def _time(more: int, n: int, rules: Rules) -> str:
    return f" ({more / n * rules.hours:.1f} h)" if n else ""

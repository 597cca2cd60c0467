"""Whether the shadow made the service slower for everybody else, or fail more often.

Latency and 5xx of all endpoints but the tick's, in a time before the shadow against its own. The
latencies cannot be paired, so `unpaired` says how they are compared; before's first half against
its second says whether the service is calm enough to be compared with itself (A/A).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.operations.judging.statistics import Estimate, equivalence, pairs_needed
from emonk_ops.operations.judging.traffic import Reservoir, Stretch, Traffic
from emonk_ops.operations.judging.unpaired import Stratum, rate_difference, shift_between
from emonk_ops.operations.judging.verdicts import Ruling
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import ServiceSettings

NAME = "other-endpoints"
MARGIN = 1.25  # the ratio of latencies, after to before
ERROR_MARGIN = 0.01  # how much the rate of 5xx may grow
LEAST = 20  # requests on a side; below it the approximations are none
LEAST_OF_KIND = 3
TESTS = 2  # latency and errors: a family of their own, 5 % by chance together
MOST_SEARCHED = 1_000_000


@dataclass(frozen=True)
class Windows:
    """The time before, the shadow's own, and what the seed of the choice of latencies is."""

    before: tuple[datetime, datetime]
    shadow: tuple[datetime, datetime]
    seed: int = 0


def performance(entries: Iterable[LogEntry], windows: Windows, service: ServiceSettings) -> Ruling:
    """Judge the requests among `entries`, which may come in any order, in one pass.

    Memory is bounded by the kinds of requests, not by their number.
    """
    begin, end = windows.before
    middle = begin + (end - begin) / 2
    first, second = Stretch(begin, middle), Stretch(middle, end)
    after = Stretch(*windows.shadow)
    traffic = Traffic(service, (first, second, after), windows.seed)
    traffic.feed(entries)
    facts = _facts(windows, (first, second), after, traffic.left_out)
    n_before = first.n + second.n
    short = _too_few(n_before, after.n, traffic.left_out.total())
    if short:
        return Ruling(NAME, "tendency", Verdict.INCONCLUSIVE, short, facts)
    parts = (_latency(first, second, after, facts), _errors(first, second, after, facts))
    verdicts = [one.verdict for one in parts]
    verdict = Verdict.INCONCLUSIVE
    if Verdict.FAIL in verdicts:
        verdict = Verdict.FAIL
    elif verdicts == [Verdict.PASS, Verdict.PASS]:
        verdict = Verdict.PASS
    told = "; ".join(one.told for one in parts)
    summary = f"n={n_before} before, {after.n} in the shadow: {told}"
    facts["more_seconds"] = _more_seconds(parts, after)
    return Ruling(NAME, "tendency", verdict, summary, facts)


@dataclass(frozen=True)
class _Part:
    """One of the two questions. `more` is how many requests would settle it; None: not so."""

    verdict: Verdict
    told: str
    more: int | None = None


def _more_seconds(parts: Iterable[_Part], after: Stretch) -> float | None:
    """How much longer the shadow has to be for what is open; None where time settles nothing."""
    wanted = [one.more for one in parts if one.verdict is Verdict.INCONCLUSIVE]
    known = [one for one in wanted if one is not None]
    if not known or len(known) < len(wanted):
        return None
    return max(known) / after.n * (after.end - after.begin).total_seconds()


def _too_few(before: int, after: int, ours: int) -> str:
    if not before and not after:
        return (
            "nobody called another endpoint, before or in the shadow "
            f"({ours} ticks, probes and calls of ours do not count): nothing can be said"
        )
    if min(before, after) >= LEAST:
        return ""
    side = "before the shadow" if before < after else "in the shadow"
    missing = LEAST - min(before, after)
    return (
        f"{before} requests to other endpoints before, {after} in the shadow; "
        f"needs about {missing} more requests {side}"
    )


def _latency(first: Stretch, second: Stretch, after: Stretch, facts: dict[str, Any]) -> _Part:
    margin = math.log(MARGIN)
    before = {name: _together(first, second, name) for name in {*first.kinds, *second.kinds}}
    strata = _strata(before, _values(after))
    if not strata:
        return _Part(Verdict.INCONCLUSIVE, "no endpoint was called often enough both times")
    found = shift_between(strata, tests=TESTS)
    again = _strata(_values(first), _values(second))
    calm = shift_between(again, tests=TESTS) if again else None
    facts["latency"] = _ratios(found)
    facts["a_a"] = None if calm is None else _ratios(calm)
    facts["kinds_compared"] = len(strata)
    low, high = (math.exp(edge) for edge in (found.low, found.high))
    told = f"latency {math.exp(found.shift):.2f} times (90 %: {low:.2f} to {high:.2f})"
    told += f" against at most {MARGIN:g}"
    verdict = equivalence(found, -math.inf, margin)
    if verdict is Verdict.INCONCLUSIVE:
        more = _more_for_latency(found, -math.inf, margin)
        return _Part(verdict, f"{told}, {_needs(more)}", more)
    quiet = Verdict.INCONCLUSIVE if calm is None else equivalence(calm, -margin, margin)
    if quiet is Verdict.FAIL:
        told += ", but the time before differs so from itself (A/A)"
        return _Part(Verdict.INCONCLUSIVE, told)
    if quiet is Verdict.INCONCLUSIVE and verdict is Verdict.PASS:
        told += ", but the time before cannot be compared with itself (A/A)"
        # More of the time before is wanted, and no longer shadow brings it.
        needs = f": {_needs(_more_for_latency(calm, -margin, margin))} before" if calm else ""
        return _Part(quiet, told + needs)
    return _Part(verdict, told)


def _more_for_latency(found: Estimate, lowest: float, highest: float) -> int | None:
    needed = pairs_needed(found, lowest, highest)
    return None if needed is None else max(1, needed - found.n)


def _needs(more: int | None) -> str:
    if more is None:
        return "too near to the margin to be settled by more requests"
    return f"needs about {more} more requests"


def _errors(first: Stretch, second: Stretch, after: Stretch, facts: dict[str, Any]) -> _Part:
    n, failed = first.n + second.n, first.failed + second.failed
    _, high = rate_difference(failed, n, after.failed, after.n)
    low, _ = rate_difference(failed, n, after.failed, after.n, tail=0.05 / TESTS)
    facts["errors"] = {"before": failed, "shadow": after.failed, "low": low, "high": high}
    told = f"5xx {failed} of {n} before, {after.failed} of {after.n} in the shadow"
    if high < ERROR_MARGIN:
        return _Part(Verdict.PASS, f"{told}, more by less than {high:.1%} (95 %)")
    if low <= ERROR_MARGIN:
        more = _more_for_errors(failed, n, after.failed, after.n)
        told += f", more by less than {high:.1%} (95 %), {_needs(more)}"
        return _Part(Verdict.INCONCLUSIVE, told, more)
    calm, _ = rate_difference(
        first.failed, max(first.n, 1), second.failed, max(second.n, 1), tail=0.05 / TESTS
    )
    if calm > ERROR_MARGIN:
        return _Part(Verdict.INCONCLUSIVE, f"{told}, but they grew as much before (A/A)")
    return _Part(Verdict.FAIL, told)


def _more_for_errors(failed: int, n: int, after: int, n_after: int) -> int | None:
    """Requests, on each side alike, until the bound is inside the margin if rates stay so."""
    scale = 1.0
    while n_after * scale < MOST_SEARCHED:
        scale *= 1.25
        counts = (int(value * scale) for value in (failed, n, after, n_after))
        if rate_difference(*counts)[1] < ERROR_MARGIN:
            return max(1, int(n_after * (scale - 1)))
    return None


def _strata(before: Mapping[str, list[float]], after: Mapping[str, list[float]]) -> list[Stratum]:
    """Kinds of which both sides have enough."""
    return [
        Stratum.of(before[name], after[name])
        for name in sorted(before.keys() & after.keys())
        if min(len(before[name]), len(after[name])) >= LEAST_OF_KIND
    ]


def _values(stretch: Stretch) -> dict[str, list[float]]:
    return {name: kept.values for name, kept in stretch.kinds.items()}


def _together(first: Stretch, second: Stretch, name: str) -> list[float]:
    """Of both halves in the proportion in which they were called."""
    halves = [half.kinds.get(name, Reservoir()) for half in (first, second)]
    most = max(half.n for half in halves)
    room = max(len(half.values) for half in halves)
    return [value for half in halves for value in _evenly(half.values, room * half.n / most)]


def _evenly(values: list[float], wanted: float) -> list[float]:
    count = min(len(values), math.ceil(wanted))
    return [values[number * len(values) // count] for number in range(count)]


def _ratios(found: Estimate) -> dict[str, float]:
    edges = {"ratio": found.shift, "low": found.low, "high": found.high}
    return {name: round(math.exp(edge), 4) for name, edge in edges.items()}


def _facts(
    windows: Windows, halves: tuple[Stretch, Stretch], after: Stretch, aside: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "n": after.n,
        "n_before": sum(half.n for half in halves),
        "before": [one.isoformat() for one in windows.before],
        "shadow": [one.isoformat() for one in windows.shadow],
        "left_out": dict(aside),
        "margin": MARGIN,
    }

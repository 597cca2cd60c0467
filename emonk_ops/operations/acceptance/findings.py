"""The guide's seven criteria of stage 4, each with its n and what n can prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.percentiles import at_most, samples_for
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.judging.verdicts import few
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.rollout.verdicts import error_rate_bound, more_clean_samples

Judge = Callable[[Stretch, Criteria], Finding]
P99 = 0.99


def reliable(stretch: Stretch, _criteria: Criteria) -> Finding:
    """Every tick came and ran to its end, and every run that began has an end."""
    counted = stretch.counted
    healthy = sum(one.healthy for one in stretch.slots)
    facts: dict[str, Any] = {
        "n": counted.expected,
        "healthy": healthy,
        "missing": len(counted.missing),
        "lines_lost": stretch.lines_lost,
        "jobs_executed": counted.executed,
        "jobs_succeeded": counted.succeeded,
        "dead": counted.dead,
        "runs_told": counted.runs_told,
    }
    hours = (stretch.until - stretch.since).total_seconds() / 3600
    told = f"{healthy} of {counted.expected} ticks in {hours:.1f} h, {counted.succeeded} jobs done"
    if counted.dead:
        return Finding(Verdict.FAIL, f"{told}; {counted.dead} jobs were given up as dead", facts)
    if counted.missing:
        return Finding(Verdict.FAIL, f"{told}; {len(counted.missing)} were seen by nobody", facts)
    if not counted.expected or not counted.executed:
        return Finding(Verdict.INCONCLUSIVE, f"{told}: no job ran", facts)
    if stretch.lines_lost or counted.runs_told < counted.executed:
        return Finding(Verdict.INCONCLUSIVE, f"{told}; log lines are missing", facts)
    return Finding(Verdict.PASS, told, facts)


def no_duplicates(stretch: Stretch, _criteria: Criteria) -> Finding:
    counted = stretch.counted
    facts = {"n": counted.runs_told, "duplicates": counted.doubled_count}
    if counted.doubled_count:
        shown = few(counted.doubled, counted.doubled_count)
        return Finding(Verdict.FAIL, f"{counted.doubled_count} slots twice: {shown}", facts)
    return _none(counted.runs_told, "executions", "twice", stretch, facts)


def locking_holds(stretch: Stretch, _criteria: Criteria) -> Finding:
    """Races that were lost are the lock at work; runs that overlap are its failure."""
    counted = stretch.counted
    facts = {
        "n": counted.runs_told,
        "overlapping": counted.overlapping_count,
        "lost_race": counted.lost_race,
        "stale": counted.stale,
    }
    if counted.overlapping_count:
        shown = few(counted.overlapping, counted.overlapping_count)
        return Finding(Verdict.FAIL, f"{counted.overlapping_count} overlapped: {shown}", facts)
    found = _none(counted.runs_told, "runs", "overlapping", stretch, facts)
    races = f"{counted.lost_race} claims lost a race and ran nothing"
    return Finding(found.verdict, f"{found.summary}; {races}", facts)


def error_rate(stretch: Stretch, criteria: Criteria) -> Finding:
    """Of jobs and of ticks; what only met transient errors of Firestore is told beside it."""
    counted, margin = stretch.counted, criteria.error_rate
    parts = (
        ("ticks", counted.ticks_failed, counted.arrived),
        ("jobs", counted.failed, counted.executed),
    )
    facts: dict[str, Any] = {
        "transient_storage_errors": counted.transient,
        "ticks_with_only_transient_errors": counted.ticks_transient,
        "lasting_storage_errors": counted.lasting,
        "storage_calls": counted.storage_ops,
    }
    said, more, verdict = [], 0.0, Verdict.PASS
    for name, failed, n in parts:
        bound = error_rate_bound(n, failed)
        facts[name] = {"n": n, "failed": failed, "bound": round(bound, 5)}
        said.append(f"{failed} of {n} {name} (below {bound:.2%} at 95 %)")
        if n and failed / n >= margin and error_rate_bound(n, n - failed) < 1 - margin:
            verdict = Verdict.FAIL
        elif bound >= margin and verdict is Verdict.PASS:
            verdict = Verdict.INCONCLUSIVE
            more = max(more, _more_seconds(stretch, n, more_clean_samples(n, failed, margin)))
    told = f"{', '.join(said)}; transient Firestore errors left out: {counted.transient}"
    wanted = more or None
    return Finding(verdict, f"{told}; the limit is {margin:.0%}", facts, more_seconds=wanted)


def latency(stretch: Stretch, criteria: Criteria) -> Finding:
    """By the request log, and by what the ticks say of themselves."""
    limit = criteria.latency_p99_seconds
    by_requests = at_most(stretch.counted.latencies, P99, limit)
    by_ticks = at_most(stretch.counted.durations, P99, limit)
    facts = {"limit_seconds": limit, "requests": by_requests.facts(), "ticks": by_ticks.facts()}
    told = f"requests: {by_requests.sentence()}; ticks: {by_ticks.sentence()}"
    verdicts = (by_requests.verdict, by_ticks.verdict)
    if Verdict.FAIL in verdicts:
        return Finding(Verdict.FAIL, told, facts)
    if Verdict.INCONCLUSIVE in verdicts:
        n = min(by_requests.n, by_ticks.n)
        more = _more_seconds(stretch, n, max(1, samples_for(P99) - n))
        return Finding(Verdict.INCONCLUSIVE, told, facts, more_seconds=more or None)
    return Finding(Verdict.PASS, told, facts)


def storage_errors(stretch: Stretch, criteria: Criteria) -> Finding:
    """Lasting ones in all calls; what a repetition mends is told beside it."""
    counted, limit = stretch.counted, criteria.storage_error_rate
    bad = counted.lasting
    n = max(counted.storage_ops, bad)  # a service may count errors and not its calls
    bound = error_rate_bound(n, bad)
    facts = {"n": n, "lasting": bad, "transient": counted.transient, "bound": round(bound, 5)}
    told = (
        f"{bad} lasting errors in {n} calls to Firestore (below {bound:.2%} at 95 %), "
        f"{counted.transient} transient ones left out; the target is {limit:.1%}"
    )
    if n and bad / n >= limit and error_rate_bound(n, n - bad) < 1 - limit:
        return Finding(Verdict.FAIL, told, facts)
    if bound >= limit or stretch.lines_lost:
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    return Finding(Verdict.PASS, told, facts)


def within_cadence(stretch: Stretch, _criteria: Criteria) -> Finding:
    """First attempts end before the next tick is over; and no tick found work that old."""
    counted = stretch.counted
    facts = {
        "n": counted.succeeded,
        "late": counted.late_count,
        "worst_lag_seconds": round(counted.worst_lag_seconds, 3),
    }
    lag = f"the oldest due slot at a tick was {counted.worst_lag_seconds:.1f} s old"
    if counted.late_count:
        shown = few(counted.late, counted.late_count)
        return Finding(Verdict.FAIL, f"{counted.late_count} ended late: {shown}; {lag}", facts)
    found = _none(counted.succeeded, "jobs", "late", stretch, facts)
    return Finding(found.verdict, f"{found.summary}; {lag}", facts)


def _none(n: int, what: str, how: str, stretch: Stretch, facts: dict[str, Any]) -> Finding:
    if n == 0:
        return Finding(Verdict.INCONCLUSIVE, f"no {what} to judge by", facts)
    bound = error_rate_bound(n)
    told = f"0 of {n} {what} {how}; the true rate is below {bound:.2%} (95 %)"
    if stretch.lines_lost or stretch.counted.runs_told < stretch.counted.executed:
        return Finding(Verdict.INCONCLUSIVE, f"{told}, but log lines are missing", facts)
    return Finding(Verdict.PASS, told, {**facts, "bound": round(bound, 5)})


def _more_seconds(stretch: Stretch, n: int, more: int) -> float:
    """How long so many more samples take at this pace; 0.0 without a pace."""
    passed = (stretch.until - stretch.since).total_seconds()
    return more / n * passed if n else 0.0


CRITERIA: Sequence[tuple[str, str, Judge]] = (
    ("reliable", "Jobs execute reliably for at least 24 hours", reliable),
    ("no-duplicates", "No duplicate executions detected", no_duplicates),
    ("locking", "Firestore locking prevents race conditions", locking_holds),
    (
        "error-rate",
        "Error rate <1% (excluding transient Firestore errors)",
        error_rate,
    ),
    ("latency-p99", "Latency p99 <2 seconds for tick endpoint", latency),
    ("within-cadence", "All scheduled jobs complete within cadence window", within_cadence),
)

"""The guide's four symptoms, each measured by its own words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from emonk_ops.operations.diagnosing.duplicates import twice
from emonk_ops.operations.diagnosing.latency import SLOW_SECONDS, slow_requests, slow_ticks
from emonk_ops.operations.diagnosing.model import Issue, at, few
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.operations.tick_window import LATEST_START
from emonk_ops.rollout.model import Finding, Verdict


@dataclass(frozen=True)
class Symptom:
    """One issue of the guide: its words, and how it is measured."""

    issue: Issue
    words: str
    measure: Callable[[Seen], Finding]


def _not_executing(seen: Seen) -> Finding:
    """Due jobs that do not run. An idle tick executes nothing either, and is well."""
    if seen.jobs is None and seen.log is None:
        return _blind(seen, "stored jobs", "log")
    ticks = seen.log.ticks if seen.log else []
    executed = sum(one.report.jobs_executed for one in ticks)
    left = [one.id for one in seen.overdue]
    unresolved = sorted({one.job_id for one in seen.log.unknown_types}) if seen.log else []
    facts = {"ticks": len(ticks), "jobs_executed": executed, "overdue": left[:20]}
    told = f"jobs_executed {executed} in {len(ticks)} ticks"
    if left:
        told += f"; {len(left)} jobs are past their time: {few(left)}"
        return Finding(Verdict.FAIL, told, facts)
    if seen.jobs is None:
        hint = "The stored jobs could not be asked"
        return Finding(Verdict.INCONCLUSIVE, f"{told}; {hint.lower()}", facts, hint)
    if unresolved:
        facts["unresolved"] = unresolved
    return Finding(Verdict.PASS, f"{told}; no job of {len(seen.jobs)} is past its time", facts)


def _duplicate(seen: Seen) -> Finding:
    log = seen.log
    if log is None:
        return _blind(seen, "log")
    again = list(twice(seen))
    effects = [key for key, when in log.effects.items() if len(when) > 1]
    facts = {"slots": len(log.slots), "twice": [one.name for one in again[:10]]}
    facts["effects_twice"] = [key for key, _effect in effects[:10]]
    told = (
        f"{len(log.slots)} slots executed; {len(again)} began twice, {len(effects)} effects twice"
    )
    if again or effects:
        return Finding(Verdict.FAIL, told, facts)
    if not log.slots and not log.ticks:
        told = "no tick and no run is logged in this while"
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    return Finding(Verdict.PASS, told, facts)


def _not_triggering(seen: Seen) -> Finding:
    """The ticks of the path that drives: Cloud Scheduler's requests, or the loop's own lines."""
    log, slots = seen.log, seen.slots
    if log is None:
        return _blind(seen, "log")
    if not slots:
        return Finding(Verdict.INCONCLUSIVE, "no tick had to be in this while: --window 1h")
    if seen.ticked:
        came = [one.at for one in log.requests if one.status == 200]
    else:
        came = [one.at for one in log.on_loop]
    patience = min(LATEST_START, timedelta(seconds=seen.pause / 2))
    missed = [one for one in slots if not any(one <= when < one + patience for when in came)]
    refused = sorted({one.status for one in log.requests if one.status != 200})
    facts = {"slots": len(slots), "missed": [at(one) for one in missed[:20]], "refused": refused}
    told = f"{len(slots) - len(missed)} of {len(slots)} ticks came"
    if refused:
        told += f"; others got {', '.join(map(str, refused))}"
    if slots[-1] in missed:
        told += f"; the last one that came: {at(came[-1]) if came else 'none in this while'}"
        return Finding(Verdict.FAIL, told, facts)
    return Finding(Verdict.PASS, told, facts)


def _latency(seen: Seen) -> Finding:
    log = seen.log
    if log is None:
        return _blind(seen, "log")
    n = max(len(log.on_cron), len(log.requests))
    slow = max(len(slow_ticks(seen)), len(slow_requests(seen)))
    seconds = [*(one.seconds for one in log.on_cron), *(one.seconds for one in log.requests)]
    longest = max(seconds, default=0.0)
    facts = {"ticks": n, "slow": slow, "longest_seconds": round(longest, 3)}
    told = f"{slow} of {n} ticks took more than {SLOW_SECONDS:g} s, the longest {longest:.1f} s"
    if slow:
        return Finding(Verdict.FAIL, told, facts)
    if not n and not seen.ticked:
        return Finding(Verdict.PASS, f"driver {seen.driver}: no tick endpoint is called", facts)
    if not n:
        return Finding(Verdict.INCONCLUSIVE, "no tick of Cloud Scheduler in this while", facts)
    return Finding(Verdict.PASS, told, facts)


def _blind(seen: Seen, *names: str) -> Finding:
    errors = [f"{name}: {seen.blind[name].message}" for name in names if name in seen.blind]
    hints = [seen.blind[name].hint for name in names if name in seen.blind]
    return Finding(Verdict.ERROR, "; ".join(errors), hint=next((one for one in hints if one), ""))


SYMPTOMS = (
    Symptom(Issue.NOT_TRIGGERING, "No tick logs, scheduler appears stopped", _not_triggering),
    Symptom(Issue.NOT_EXECUTING, "jobs_executed: 0 in tick metrics", _not_executing),
    Symptom(Issue.DUPLICATE, "Same job runs twice, duplicate side effects", _duplicate),
    Symptom(Issue.LATENCY, "Tick endpoint takes >5 seconds", _latency),
)

"""Expectations that several injections share, each over plain evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from emonk_ops.operations.injection.model import Observation, Verdict
from emonk_ops.operations.injection.sightings import Line, began, effects, executions


def told(seen: str, expected: str, good: bool, summary: str) -> Observation:
    return Observation(seen, expected, Verdict.PASS if good else Verdict.FAIL, summary)


def unknown(seen: str, expected: str, summary: str) -> Observation:
    return Observation(seen, expected, Verdict.INCONCLUSIVE, summary)


def ran_once(seen: str, expected: str, lines: Sequence[Line], job: str) -> Observation:
    """Exactly one execution and one effect."""
    ran, left = executions(lines, job), effects(lines, job)
    summary = f"{len(ran)} executions and {len(left)} effects of the canary"
    if not ran and not left:
        return unknown(seen, expected, f"{summary}: nothing of it is logged")
    return told(seen, expected, len(ran) == 1 and len(left) == 1, summary)


def one_effect(seen: str, expected: str, lines: Sequence[Line], job: str) -> Observation:
    """However many attempts it took."""
    left = effects(lines, job)
    ran = executions(lines, job)
    attempts = ", ".join(str(one["attempt"]) for one in ran) or "none"
    return told(seen, expected, len(left) == 1, f"{len(left)} effects; attempts: {attempts}")


def none_lost(evidence: Mapping[str, Any], expected: str = "No lost jobs") -> Observation:
    lost, before = evidence.get("jobs_lost", []), evidence.get("jobs_before", [])
    summary = f"{len(before)} jobs before, lost: {', '.join(lost[:5]) or 'none'}"
    return told("no-lost-jobs", expected, not lost, summary)


def answered_well(seen: str, expected: str, requests: Sequence[Line]) -> Observation:
    codes = [int(one["status"]) for one in requests]
    if not codes:
        return unknown(seen, expected, "no tick request is logged")
    good = all(200 <= code < 300 for code in codes)
    return told(seen, expected, good, f"{len(codes)} ticks: {', '.join(map(str, codes))}")


def every_slot_once(
    seen: str, expected: str, lines: Sequence[Line], job: str, slots: Sequence[str]
) -> Observation:
    """Each of these slots left exactly one effect."""
    wanted = {datetime.fromisoformat(one): 0 for one in slots}
    for line in effects(lines, job):
        slot = datetime.fromisoformat(str(line["slot"]))
        if slot in wanted:
            wanted[slot] += 1
    none = [f"{slot:%H:%M:%S}Z" for slot, count in wanted.items() if count == 0]
    twice = [f"{slot:%H:%M:%S}Z" for slot, count in wanted.items() if count > 1]
    summary = f"{len(wanted)} slots; without effect: {_few(none)}; with more than one: "
    if not wanted:
        return unknown(seen, expected, "no slot fell into the fault")
    return told(seen, expected, not none and not twice, summary + _few(twice))


def in_time(
    seen: str, expected: str, lines: Sequence[Line], until: datetime, what: str
) -> Observation:
    """The first of these lines is there by then."""
    if not lines:
        return told(seen, expected, False, f"{what} never, until {until:%H:%M:%S}Z")
    first = min(began(one) for one in lines)
    return told(
        seen, expected, first <= until, f"{what} at {first:%H:%M:%S}Z, due by {until:%H:%M:%S}Z"
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:5]) or "none"

"""The guide's four lines of the hour after the cutover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.day import whole_of
from emonk_ops.operations.acceptance.findings import (
    Judge,
    locking_holds,
    no_duplicates,
    reliable,
    within_cadence,
)
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.acceptance.window import read
from emonk_ops.operations.cadence import slots_between
from emonk_ops.rollout.model import Check, Finding, Verdict
from emonk_ops.rollout.verdicts import error_rate_bound
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

HOUR = timedelta(hours=1)
MEMO = "first_hour"
WORST = (Verdict.FAIL, Verdict.INCONCLUSIVE)


def first_hour_checks(_env: Environment) -> tuple[Check, ...]:
    return tuple(Check(name, sentence, _measured(judge)) for name, sentence, judge in LINES)


def on_schedule(hour: Stretch, criteria: Criteria) -> Finding:
    """Every tick came and ran its jobs, and they ended in time."""
    parts = (reliable(hour, criteria), within_cadence(hour, criteria))
    verdict = next((one for one in WORST if one in {it.verdict for it in parts}), Verdict.PASS)
    told = "; ".join(one.summary for one in parts if one.verdict is verdict)
    return Finding(verdict, told, {**parts[0].facts, **parts[1].facts, "n": hour.counted.expected})


def leases_work(hour: Stretch, criteria: Criteria) -> Finding:
    """No run within another's lease, and what was claimed has ended."""
    counted = hour.counted
    held = locking_holds(hour, criteria)
    without_end = counted.executed - counted.succeeded - counted.failed - counted.dead
    facts = {**held.facts, "claimed": counted.executed, "without_end": max(0, without_end)}
    told = f"{counted.executed} claimed, {counted.succeeded} ended well; {held.summary}"
    if held.verdict is Verdict.PASS and without_end > 0:
        # Released unfinished, or its result was dropped as stale: its lease had to expire.
        told = f"{without_end} of {counted.executed} claimed runs have no result"
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    return Finding(held.verdict, told, facts)


def storage_is_well(hour: Stretch, _criteria: Criteria) -> Finding:
    """By the ticks' own counters; transient errors are told beside it."""
    counted = hour.counted
    n, transient = counted.storage_ops, f"{counted.transient} transient ones left out"
    facts = {"n": n, "lasting": counted.lasting, "transient": counted.transient}
    if counted.lasting:
        told = f"{counted.lasting} errors in {n} calls to Firestore; {transient}"
        return Finding(Verdict.FAIL, told, facts)
    if not n or hour.lines_lost:
        told = "log lines are missing" if n else "no tick told of a call to Firestore"
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    bound = error_rate_bound(n)
    told = f"0 in {n} calls; the true rate is below {bound:.2%} (95 %); {transient}"
    return Finding(Verdict.PASS, told, {**facts, "bound": round(bound, 5)})


def hour_of(tools: Toolbox) -> Stretch:
    """The soak's first hour, or as much of it as there is; read once in a run."""
    soak, env = tools.memo["soak"], tools.env
    end = min(soak.until, soak.began_at + HOUR)
    known = tools.memo.get(MEMO)
    if isinstance(known, Stretch) and known.since == soak.began_at and known.until <= end:
        return known
    slots = slots_between(env.cadence, env.time_zone, soak.began_at, end)
    found = whole_of(read(tools, soak.began_at, slots)) if slots else Stretch(soak.began_at, end)
    tools.memo[MEMO] = found
    return found


def _measured(judge: Judge) -> Callable[[Toolbox], Finding]:
    return lambda tools: judge(hour_of(tools), Criteria())


LINES: Sequence[tuple[str, str, Judge]] = (
    ("first-hour-schedule", "First hour: jobs execute on schedule", on_schedule),
    ("first-hour-duplicates", "First hour: no duplicate executions", no_duplicates),
    ("first-hour-leases", "First hour: lease claim/release working", leases_work),
    ("first-hour-firestore", "First hour: no errors in Firestore operations", storage_is_well),
)

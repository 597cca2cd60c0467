"""Stage 3's soak: an hour in which both paths were seen at every slot, and nothing was wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from emonk_ops.operations.analysis.coverage import Coverage
from emonk_ops.operations.analysis.records import CRON, LOOP, Record, Tick
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.evidence.keeping import keep_shadow
from emonk_ops.operations.evidence.saving import BREACH
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.operations.shadow_acceptance import shadow_breached
from emonk_ops.operations.shadow_window import jobs_of_service, judged, reach, read, rules_for
from emonk_ops.operations.soak_about import about
from emonk_ops.rollout.model import Breach, Look, Soak, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

GUIDE_SECONDS = 3600.0
EVERY_SECONDS = 300.0
PATHS = frozenset((CRON, LOOP))
TENDENCY = "tendency"


def shadow_soak(env: Environment) -> Soak:
    return Soak(
        id="shadow",
        sentence="Shadow mode runs for at least 1 hour without issues",
        needed_seconds=env.shadow_hours * 3600,
        guide_seconds=GUIDE_SECONDS,
        every_seconds=EVERY_SECONDS,
        about=about,
        look=look,
    )


def look(tools: Toolbox, since: datetime, now: datetime) -> Iterator[Look]:
    """One look at all slots behind `since` that have had their time.

    What was at the edge of the look before is judged again, so that no slot stays there.
    """
    last = reach(tools.env, since, now)
    if last is None:
        return
    began = max(tools.memo["soak"].began_at, since - 2 * rules_for(tools, since, last).horizon)
    with read(tools, began, last) as spool:
        jobs = jobs_of_service(tools)
        found = judged(tools, spool, jobs, began, last, certified=False).judgement
        covered, anew = covered_seconds(tools, spool, began, since, last)
        breaches = tuple(_breaches(found))
        if breaches:
            rules = rules_for(tools, began, last)
            keep_shadow(tools, BREACH, spool, rules, jobs, shadow_breached(found))
    yield Look(
        since=since,
        until=last,
        covered_seconds=0.0 if breaches else covered,
        breaches=breaches,
        summary=_told(found),
        facts={"classes": dict(found.classes), "verdict": found.verdict.value},
        anew=anew,
    )


def _breaches(found: Judgement) -> Iterator[Breach]:
    for ruling in found.rulings:
        if ruling.verdict is Verdict.FAIL:
            certain = ruling.kind != TENDENCY
            yield Breach(ruling.name, ruling.summary, certain=certain, facts=ruling.facts)


def covered_seconds(
    tools: Toolbox, spool: Spool, began: datetime, since: datetime, last: datetime
) -> tuple[float, str]:
    """Of (since, last], the time before the slots at which both paths ticked; and what was lost.

    Lines that are missing could have been the ones that matter, so that what runs on behind them
    begins anew.
    """
    env = tools.env
    slots = slots_between(env.cadence, env.time_zone, since, last)
    lost = spool.seen.coverage.gaps(began)
    patience = rules_for(tools, began, last).punctual_seconds
    ticked = {path: _served(spool, slots, path, patience) for path in PATHS}
    both = ticked[CRON] & ticked[LOOP]
    seconds, before = 0.0, since
    for slot in slots:
        if slot in both:
            seconds += (slot - before).total_seconds()
        before = slot
    return (0.0, _lost(spool.seen.coverage, began)) if lost else (seconds, "")


def _served(
    records: Iterable[Record], slots: tuple[datetime, ...], path: str, seconds: float
) -> set[datetime]:
    """The slots at which this path ticked in time."""
    times = [one.at for one in records if isinstance(one, Tick) and _counts(one, path)]
    return {
        slot
        for slot in slots
        if any(slot <= at < slot + timedelta(seconds=seconds) for at in times)
    }


def _counts(tick: Tick, path: str) -> bool:
    return tick.kind == "completed" and tick.path == path


def _lost(coverage: Coverage, began: datetime) -> str:
    gaps = coverage.gaps(began)
    lines = sum(count for _, _, count in gaps)
    first = gaps[0]
    return f"{lines} log lines are missing between {first[0]:%H:%M:%SZ} and {gaps[-1][1]:%H:%M:%SZ}"


def _told(found: Judgement) -> str:
    classes = ", ".join(f"{name} {count}" for name, count in found.classes.items())
    return f"{found.verdict.value}: {classes or 'no slot yet'}"

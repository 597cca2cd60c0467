"""The appendix's five tests of production after its deployment, over the soak's window."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from emonk_ops.operations.acceptance.window import whole
from emonk_ops.operations.cost import averaged, project, slots_a_day
from emonk_ops.operations.job_audit import UNKNOWN, JobAudit, audit, ends_in_log
from emonk_ops.operations.job_definitions import known_jobs
from emonk_ops.operations.judging.verdicts import few
from emonk_ops.operations.tick_window import COMPLAINTS, COMPLETED, of_service
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Check, Finding, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

GUIDE_SECONDS = 24 * 3600.0
MOST_GROUPS = 50
SHOWN_GROUPS = 5


def appendix_checks(_env: Environment) -> tuple[Check, ...]:
    return (
        Check("monitored", "Monitor for 24 hours", monitored),
        # A word on an earlier day's dashboards and lines says nothing of this one.
        Check("dashboards-reviewed", "Review all metrics dashboards", per_run=True),
        Check("complaints", "Check for any errors or warnings", complaints, per_run=True),
        Check("pattern", "Verify job execution patterns", pattern),
        Check("cost", "Validate cost estimates", cost_within_budget),
    )


def monitored(tools: Toolbox) -> Finding:
    """The soak itself; a shortened one says that it is no evidence."""
    soak = tools.memo["soak"]
    hours = soak.covered_seconds / 3600
    told = f"{hours:.1f} h seen and healthy, coverage {soak.coverage:.1%}, {soak.looks} looks"
    if soak.left_seconds:
        return Finding(
            Verdict.INCONCLUSIVE, told, soak.facts(), more_seconds=float(soak.left_seconds)
        )
    if soak.needed_seconds < GUIDE_SECONDS:
        told += "; NO EVIDENCE: the guide asks for 24 h"
    return Finding(Verdict.PASS, told, soak.facts())


@dataclass
class _Group:
    severity: str
    message: str
    count: int
    newest: datetime

    def sentence(self) -> str:
        return f"{self.severity} {self.message} ({self.count}, last {self.newest:%d %H:%M:%SZ})"


def complaints(tools: Toolbox) -> Finding:
    """Those of the soak; where its log is silent, that there is none says nothing."""
    soak = tools.memo["soak"]
    found = complaints_between(tools, soak.began_at, soak.until)
    if found.verdict is Verdict.PASS and not whole(tools).counted.told:
        told = f"{found.summary}, and no tick line either: the log is silent"
        return Finding(Verdict.INCONCLUSIVE, told, found.facts)
    return found


def complaints_between(tools: Toolbox, since: datetime, until: datetime) -> Finding:
    """All lines of WARNING or worse, grouped. Whether they matter, only a person can say."""
    env = tools.env
    query = f"{of_service(env)} AND {COMPLAINTS}"
    groups, count, more = _grouped(tools.logs.entries(query, since=since, until=until))
    facts = {"n": count, "groups": [one.sentence() for one in groups], "further_groups": more}
    if not count:
        return Finding(Verdict.PASS, "no line of WARNING or worse", facts)
    shown = few([one.sentence() for one in groups[:SHOWN_GROUPS]], len(groups) + more)
    told = f"{count} lines of WARNING or worse, the newest kind first: {shown}"
    return Finding(
        Verdict.ASK,
        told,
        facts,
        f'emonk-ops logs errors --env {env.name}, then --confirm complaints="why they may be"',
    )


def _grouped(lines: Iterable[LogEntry]) -> tuple[list[_Group], int, int]:
    """The newest groups first, all lines, and how many kinds beyond the most that are kept."""
    groups: OrderedDict[tuple[str, str], _Group] = OrderedDict()
    count = more = 0
    for one in lines:
        count += 1
        said = one.message or f"request answered {one.http.get('status', '?')}"
        key = (one.severity, said)
        group = groups.pop(key, None) or _Group(*key, 0, one.timestamp)
        group.count, group.newest = group.count + 1, max(group.newest, one.timestamp)
        groups[key] = group
        if len(groups) > MOST_GROUPS:
            groups.popitem(last=False)
            more += 1
    found = sorted(groups.values(), key=lambda one: one.newest, reverse=True)
    return found, count, more


def pattern(tools: Toolbox) -> Finding:
    """Ticks at their slots by the cadence, and an end for each slot that a job's schedule had."""
    day = whole(tools)
    counted = day.counted
    late = sorted(
        (one.request.at - one.at).total_seconds() for one in day.slots if one.request is not None
    )
    audits = _audits(tools)
    classes = sum((one.classes for one in audits), Counter[str]())
    gaps = [f"{one.job_id} {gap:%Y-%m-%dT%H:%M:%SZ}" for one in audits for gap in one.gaps]
    facts = {
        "n": counted.expected,
        "arrived": counted.arrived,
        "seconds_behind_slot": {"median": median(late), "most": late[-1]} if late else {},
        "job_slots": dict(classes),
        "lost": gaps[:MOST_GROUPS],
    }
    kinds = ", ".join(f"{count} {name}" for name, count in sorted(classes.items()))
    told = (
        f"{counted.arrived} of {counted.expected} ticks of {tools.env.cadence!r} arrived; "
        f"slots of jobs: {kinds or 'none'}"
    )
    hint = f"emonk-ops jobs audit --env {tools.env.name}"
    if gaps:
        return Finding(Verdict.FAIL, f"{told}; {few(gaps[:3], len(gaps))}", facts, hint)
    if counted.missing:
        return Finding(Verdict.FAIL, f"{told}; {len(counted.missing)} seen by nobody", facts)
    if not late or day.lines_lost or not classes or classes[UNKNOWN]:
        return Finding(Verdict.INCONCLUSIVE, f"{told}; too little is known", facts, hint)
    told += f"; ticks {median(late):.1f} s behind their slot, at most {late[-1]:.1f} s"
    return Finding(Verdict.PASS, told, facts)


def _audits(tools: Toolbox) -> list[JobAudit]:
    soak, now = tools.memo["soak"], tools.clock.now()
    entries, known = ends_in_log(tools, soak.began_at), known_jobs(tools)
    return [
        audit(job, soak.began_at, soak.until, now, entries, recorded=known.recorded)
        for job in known.jobs
    ]


def cost_within_budget(tools: Toolbox) -> Finding:
    """A month at what the soak's ticks read and wrote, by the list prices, free quota used."""
    soak, env = tools.memo["soak"], tools.env
    query = f'{of_service(env)} AND jsonPayload.message="{COMPLETED}"'
    measured = averaged(tools.logs.entries(query, since=soak.began_at, until=soak.until))
    if measured is None:
        return Finding(Verdict.INCONCLUSIVE, "no tick line tells what it read and wrote", {"n": 0})
    month = project(measured, slots_a_day(env.cadence, env.time_zone, soak.until))
    facts = {
        "n": measured.ticks,
        "billed": measured.billed,
        "reads_a_day": round(month.reads_a_day),
        "writes_a_day": round(month.writes_a_day),
        "usd_a_month": round(month.total_usd, 4),
        "budget_usd": env.budget_dollars,
    }
    told = (
        f"${month.total_usd:.2f} a month for Firestore and Cloud Scheduler by {measured.ticks} "
        f"ticks, of a budget of ${env.budget_dollars:.2f}; Cloud Run is not in it"
    )
    if month.total_usd > env.budget_dollars:
        hint = f"emonk-ops cost --env {env.name}; or raise budget_dollars under [env.{env.name}]"
        return Finding(Verdict.FAIL, told, facts, hint)
    return Finding(Verdict.PASS, told, facts)

"""The guide's success criteria after 30 days, as far as they can be measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.findings import no_duplicates
from emonk_ops.operations.cost import Measured, Projection, project
from emonk_ops.operations.judging.verdicts import few
from emonk_ops.operations.prices import FREE_SCHEDULER_JOBS
from emonk_ops.operations.review.days import Window
from emonk_ops.operations.review.digest import DayDigest, digest_of_dict, summed
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.rollout.verdicts import error_rate_bound, more_clean_samples

MOST_SHOWN = 3


@dataclass(frozen=True)
class Limits:
    """The guide's numbers. Dollars are for a month; the rate is a share of 1."""

    failure_rate: float = 0.001
    firestore_dollars: float = 5.0
    scheduler_dollars: float = 1.0


@dataclass(frozen=True)
class Happened:
    """An incident. `source` is the run of the journal, or the alert policy, that tells of it."""

    at: datetime
    what: str
    source: str

    def sentence(self) -> str:
        return f"{self.what} ({self.at:%Y-%m-%d %H:%M}Z, {self.source})"


@dataclass(frozen=True)
class Reviewed:
    """All that the review goes by. None is what could not be asked."""

    window: Window
    days: tuple[DayDigest, ...]
    incidents: tuple[Happened, ...]
    limits: Limits
    own_doing: int | None = None  # alert incidents that an injection of ours brought about
    scheduler_jobs: int | None = None  # of the project in the region

    @property
    def covered(self) -> tuple[DayDigest, ...]:
        return tuple(one for one in self.days if not one.gap)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `reviewed_of` reads it."""
        window = self.window
        instants = {"since": window.since, "until": window.until, "full_at": window.full_at}
        return {
            "window": {name: one.isoformat() for name, one in instants.items()},
            "window_days": window.days,
            "days": [one.to_dict() for one in self.days],
            "incidents": [{**asdict(one), "at": one.at.isoformat()} for one in self.incidents],
            "own_doing": self.own_doing,
            "scheduler_jobs": self.scheduler_jobs,
            "limits": asdict(self.limits),
        }


def reviewed_of(told: Mapping[str, Any], changed: Mapping[str, float]) -> Reviewed:
    """With other limits where `changed` has some. Raises KeyError, TypeError or ValueError."""
    instants = {name: datetime.fromisoformat(one) for name, one in told["window"].items()}
    return Reviewed(
        window=Window(days=int(told["window_days"]), **instants),
        days=tuple(digest_of_dict(one) for one in told["days"]),
        incidents=tuple(
            Happened(datetime.fromisoformat(one["at"]), str(one["what"]), str(one["source"]))
            for one in told["incidents"]
        ),
        own_doing=told["own_doing"],
        scheduler_jobs=told["scheduler_jobs"],
        limits=Limits(**{**told["limits"], **changed}),
    )


def covered(found: Reviewed) -> Finding:
    """Whether the days are there, and which are not."""
    window = found.window
    gaps = [f"{one.day}: {one.gap}" for one in found.days if one.gap]
    facts = {
        "since": window.since.isoformat(),
        "until": window.until.isoformat(),
        "days": len(found.days),
        "wanted": window.days,
        "not_covered": gaps,
    }
    told = f"{len(found.covered)} of {window.days} days since {window.since:%Y-%m-%d} are covered"
    if gaps:
        hint = "Cloud Logging keeps 30 days unless told otherwise: run this once a week"
        return Finding(
            Verdict.INCONCLUSIVE, f"{told}; {few(gaps[:MOST_SHOWN], len(gaps))}", facts, hint
        )
    if not window.is_full:
        return _waiting(found, told, facts)
    return Finding(Verdict.PASS, told, facts)


def no_incidents(found: Reviewed) -> Finding:
    """Rollbacks, holds, breaches and failed restores by the journal; alerts by Monitoring."""
    happened = found.incidents
    told = [one.sentence() for one in happened]
    facts = {"n": len(happened), "incidents": told, "own_doing": found.own_doing}
    if happened:
        shown = few(told[-MOST_SHOWN:], len(told))
        return Finding(Verdict.FAIL, f"{len(told)} incidents: {shown}", facts)
    if found.own_doing is None:
        told_short = "nothing in the journal, and Monitoring could not be asked for alerts"
        return _in_time(found, Finding(Verdict.INCONCLUSIVE, told_short, facts))
    left = f"; {found.own_doing} alerts were injections' doing" if found.own_doing else ""
    told_none = f"no rollback, hold, breach, failed restore or alert{left}"
    return _in_time(found, Finding(Verdict.PASS, told_none, facts))


def success_rate(found: Reviewed) -> Finding:
    """Of ticks, with what their number proves; and of runs of jobs, as far as there were any.

    A tick that did not come, failed or met an error counts as failed, and so does each attempt
    of a job. Ticks bear the proof: a job of once a day would need years for it.
    """
    days, margin = found.covered, found.limits.failure_rate
    counted = summed(days).counted if days else None
    if counted is None or not counted.expected:
        return _in_time(found, Finding(Verdict.INCONCLUSIVE, "no tick is covered", {"n": 0}))
    failed = counted.expected - sum(one.healthy for one in days)
    parts = (("ticks", failed, counted.expected), ("jobs", counted.failed, counted.executed))
    facts: dict[str, Any] = {"n": counted.expected, "missing": sum(one.missing for one in days)}
    said, verdict = [], Verdict.PASS
    for name, bad, n in parts:
        bound = error_rate_bound(n, bad)
        facts[name] = {"n": n, "failed": bad, "bound": round(bound, 7)}
        said.append(f"{bad:,} of {n:,} {name} failed (below {bound:.3%} at 95 %)")
        if n and bad / n >= margin:
            verdict = Verdict.FAIL
    told = f"{', '.join(said)}; the limit is {margin:.1%}"
    if verdict is Verdict.PASS and facts["ticks"]["bound"] >= margin:
        more = more_clean_samples(counted.expected, failed, margin) * len(days) / counted.expected
        told += f", which so few ticks do not prove: {math.ceil(more)} more days like these would"
        verdict = Verdict.INCONCLUSIVE
    if verdict is Verdict.PASS and not counted.executed:
        verdict, told = Verdict.INCONCLUSIVE, f"{told}; no job ran"
    return _in_time(found, Finding(verdict, told, facts))


def nothing_twice(found: Reviewed) -> Finding:
    """One slot that ended well twice is enough."""
    if not found.days:
        return _in_time(found, Finding(Verdict.INCONCLUSIVE, "no day is over", {"n": 0}))
    return _in_time(found, no_duplicates(summed(found.days), Criteria()))


def firestore_cost(found: Reviewed) -> Finding:
    """A month at what the days read and wrote; the free quota is each day's own."""
    months = [_month_like(one) for one in found.covered if one.sums["ticks_with_cost"]]
    if not months:
        told = "no tick line tells what it read and wrote"
        return _in_time(found, Finding(Verdict.INCONCLUSIVE, told, {"n": 0}))
    usd = [one.firestore_usd + one.deletes_usd_at_most for one in months]
    month, budget = sum(usd) / len(usd), found.limits.firestore_dollars
    counted = summed(found.covered).counted
    facts = {
        "n": counted.ticks_with_cost,
        "billed": counted.ticks_billed,
        "reads": counted.reads,
        "writes": counted.writes,
        "usd_a_month": round(month, 4),
        "dearest_day_usd_a_month": round(max(usd), 4),
        "budget_usd": budget,
    }
    told = (
        f"${month:.2f} a month by {counted.ticks_with_cost:,} ticks with {counted.reads:,} reads "
        f"and {counted.writes:,} writes, of a budget of ${budget:.2f}"
    )
    verdict = Verdict.PASS if month < budget else Verdict.FAIL
    return _in_time(found, Finding(verdict, told, facts))


def scheduler_cost(found: Reviewed) -> Finding:
    """Cloud Scheduler bills jobs, not executions; three are free for a billing account."""
    jobs, limit = found.scheduler_jobs, found.limits.scheduler_dollars
    if jobs is None:
        told = "Cloud Scheduler could not be asked for its jobs"
        return _in_time(found, Finding(Verdict.INCONCLUSIVE, told, {"n": 0}))
    usd, most = (_of_jobs(jobs, free=free).scheduler_usd for free in (True, False))
    facts = {"n": jobs, "usd_a_month": round(usd, 2), "at_most": round(most, 2), "limit": limit}
    told = f"${usd:.2f} a month for {jobs} jobs in the project's region"
    told += f" ({FREE_SCHEDULER_JOBS} are free; ${most:.2f} where others use those)"
    verdict = Verdict.PASS if usd == 0 or usd < limit else Verdict.FAIL
    return _in_time(found, Finding(verdict, told, facts))


def asked(found: Reviewed) -> Finding:
    """What only a person can say, and only at the end."""
    return _in_time(found, Finding(Verdict.ASK, "only a person can say"))


def _month_like(day: DayDigest) -> Projection:
    """The month if each of its days were this one."""
    told = day.sums["ticks_with_cost"]
    measured = Measured(
        reads=day.sums["reads"] / told,
        writes=day.sums["writes"] / told,
        ticks=int(told),
        billed=bool(day.sums["ticks_billed"]),
    )
    return project(measured, day.expected)


def _of_jobs(jobs: int, *, free: bool) -> Projection:
    return project(Measured(0, 0, 0, billed=True), 0, free=free, scheduler_jobs=jobs)


def _in_time(found: Reviewed, finding: Finding) -> Finding:
    """Before the window is full nothing has passed yet; what has failed has."""
    if found.window.is_full or finding.verdict is Verdict.FAIL:
        return finding
    return _waiting(found, finding.summary, finding.facts)


def _waiting(found: Reviewed, told: str, facts: Mapping[str, Any]) -> Finding:
    window = found.window
    full = f"full on {window.full_at:%Y-%m-%d at %H:%M}Z"
    return Finding(Verdict.WAITING, f"{told}; {full}", facts, wait_until=window.full_at)


Judge = Callable[[Reviewed], Finding]
INCIDENTS, SCHEDULER = "zero-incidents", "scheduler-cost"
COVERED = ("covered", "After 30 days of stable operation", covered)
CRITERIA: Sequence[tuple[str, str, Judge]] = (
    (INCIDENTS, "Zero production incidents related to scheduler", no_incidents),
    (
        "success-rate",
        "Scheduled jobs execute reliably (>99.9% success rate)",
        success_rate,
    ),
    ("no-duplicates", "No duplicate executions detected", nothing_twice),
    ("firestore-cost", "Firestore costs within budget (<$5/month)", firestore_cost),
    (
        SCHEDULER,
        "Cloud Scheduler costs minimal (free tier or <$1/month)",
        scheduler_cost,
    ),
)
ATTESTED: Sequence[tuple[str, str]] = (
    ("team-comfortable", "Team comfortable with new system"),
    ("documentation-complete", "Documentation complete and accurate"),
)


def measured_findings(found: Reviewed) -> dict[str, Finding]:
    """By name, as they are recorded and reached again from evidence."""
    return {name: judge(found) for name, _, judge in (COVERED, *CRITERIA)}

"""What this window would have caught: its own records with one defect planted, judged again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from emonk_ops.operations.analysis.records import CRON, Decision, Effect, Record
from emonk_ops.operations.analysis.stream import Pass
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.tick.jobs import Job

LATER_SECONDS = 30.0
SLOWER = 1.5


@dataclass(frozen=True)
class Mutation:
    """`caught_by` names the rulings that fail because of it; none means it would have passed by."""

    name: str
    caught_by: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Target:
    """The run that is tampered with: of Cloud Scheduler's ticks, sound, and in the middle."""

    job_id: str
    slot: datetime
    fence: int


Change = Callable[[Iterable[Record], Target], Iterator[Record]]


def certificate(
    records: Iterable[Record],
    found: Judgement,
    jobs: Sequence[Job],
    rules: Rules,
    seen: Pass,
    tick_path: str,
) -> tuple[Mutation, ...]:
    """Whether the same window would have failed; none where no run of the ticks is sound.

    `records` are read once for each mutation, so they have to give all of them each time.
    """
    target = _target(records, rules, {job.id for job in jobs})
    if target is None:
        return ()
    return tuple(
        Mutation(name, tuple(sorted(again.failed() - found.failed())), again.verdict.value)
        for name, change in MUTATIONS.items()
        for known in (_forgetting(jobs, target) if change is _dropped else jobs,)
        for again in (judge(change(records, target), known, rules, seen, tick_path),)
    )


def _target(records: Iterable[Record], rules: Rules, known: set[str]) -> Target | None:
    """The sound run of a tick that is nearest to the middle of what can be judged."""
    middle = rules.begin + (rules.end - rules.horizon - rules.begin) / 2
    best: tuple[timedelta, Target] | None = None
    for one in records:
        if not isinstance(one, Decision) or one.decision != "end" or one.job_id not in known:
            continue
        if one.path != CRON or one.owner != CRON or one.outcome != "succeeded":
            continue
        if not rules.begin <= one.slot < rules.end - rules.horizon:
            continue
        distance = abs(one.slot - middle)
        if best is None or distance < best[0]:
            best = (distance, Target(one.job_id, one.slot, one.fence))
    return None if best is None else best[1]


def _forgetting(jobs: Sequence[Job], target: Target) -> tuple[Job, ...]:
    """A run that never was is not on its job's record either."""
    return tuple(
        replace(job, recent=tuple(run for run in job.recent if run.slot != target.slot))
        if job.id == target.job_id
        else job
        for job in jobs
    )


def _of(record: Record, target: Target) -> bool:
    return (
        isinstance(record, (Decision, Effect))
        and record.job_id == target.job_id
        and record.slot == target.slot
    )


def _dropped(records: Iterable[Record], target: Target) -> Iterator[Record]:
    return (one for one in records if not _of(one, target))


def _doubled(records: Iterable[Record], target: Target) -> Iterator[Record]:
    for one in records:
        yield one
        if isinstance(one, Decision) and one.decision == "end" and _of(one, target):
            again = one._replace(fence=one.fence + 1, lateness_seconds=one.lateness_seconds + 1)
            yield again._replace(decision="execute", outcome="", duration_ms=0.0)
            yield again


def _ticks_later(records: Iterable[Record], _target: Target) -> Iterator[Record]:
    for one in records:
        if isinstance(one, Decision) and one.path == CRON and one.decision in ("execute", "end"):
            yield one._replace(lateness_seconds=one.lateness_seconds + LATER_SECONDS)
        else:
            yield one


def _ticks_slower(records: Iterable[Record], _target: Target) -> Iterator[Record]:
    for one in records:
        if isinstance(one, Decision) and one.path == CRON and one.decision == "end":
            yield one._replace(duration_ms=one.duration_ms * SLOWER)
        else:
            yield one


def _one_error(records: Iterable[Record], target: Target) -> Iterator[Record]:
    for one in records:
        if isinstance(one, Decision) and one.decision == "end" and _of(one, target):
            yield one._replace(outcome="failed")
        else:
            yield one


MUTATIONS: dict[str, Change] = {
    "one run dropped": _dropped,
    "one run doubled": _doubled,
    f"all ticks' runs {LATER_SECONDS:.0f} s later": _ticks_later,
    f"all ticks' runs {SLOWER - 1:.0%} slower": _ticks_slower,
    "one error": _one_error,
}

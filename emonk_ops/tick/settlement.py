"""What becomes of a job: pure decisions, from the job and an instant to the job after it.

`judge` says whether a due job may be claimed, `claim` takes it, and one `after_` function for each
way a run can end gives the job its next state. Every slot that is passed over leaves a record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick.jobs import Job, JobState, Lease, Run

LONGEST_BACKOFF_SECONDS = 3600.0
Settle = Callable[[Job], Job]


@dataclass(frozen=True, slots=True)
class Runnable:
    """`job` may be claimed; `coalesced` slots were folded into it, `skipped` ones given up."""

    job: Job
    rescued: bool = False
    coalesced: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Settled:
    """No run: `job` is to be written as it now stands, because of `reason`."""

    job: Job
    reason: str
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Left:
    """Nothing is to be done with the job now."""

    reason: str


Judgement = Runnable | Settled | Left


def judge(job: Job, now: datetime, known_types: Collection[str]) -> Judgement:
    """Decide over a job that a poll returned, at the store's `now`."""
    if job.due_at is None or job.due_at > now or job.holds_live_lease(now):
        return Left("not due")
    rescued = job.lease is not None
    if job.paused:
        return Settled(paused(replace(job, lease=None)), "paused")
    if job.type not in known_types:
        return Left("unknown type")
    if job.attempt >= job.max_attempts:
        reason = "lease expired on the last attempt" if rescued else "no attempt left"
        return Settled(_end_slot(job, now, "dead", reason), "dead")
    if job.attempt > 0 or rescued:
        return Runnable(job, rescued=rescued)
    return _misfire(job, now)


def claim(job: Job, lease: Lease) -> Job:
    """The job in the hands of `lease`: the attempt counts from here, whatever happens next."""
    return replace(
        job,
        state=JobState.LEASED,
        lease=lease,
        due_at=lease.until,
        fence=job.fence + 1,
        attempt=job.attempt + 1,
    )


def renewed(job: Job, until: datetime) -> Job:
    """The job in the same hands for longer. It must be leased."""
    lease = None if job.lease is None else replace(job.lease, until=until)
    return replace(job, lease=lease, due_at=until)


def after_success(job: Job, now: datetime, result: Mapping[str, Any] | None) -> Job:
    """The slot is done."""
    return _end_slot(job, now, "succeeded", "", result)


def after_failure(job: Job, now: datetime, reason: str, jitter: float) -> Job:
    """Try again after the back-off, or give the slot up once the attempts are spent.

    `jitter` in 0..1 stretches the back-off by up to a tenth.
    """
    if job.attempt >= job.max_attempts:
        return _end_slot(job, now, "dead", reason)
    wait = min(job.backoff_seconds * 2 ** (job.attempt - 1), LONGEST_BACKOFF_SECONDS)
    return _freed(
        job.with_run(_run(job, now, "failed", reason)),
        now + timedelta(seconds=wait * (1 + jitter / 10)),
    )


def after_release(job: Job, now: datetime, reason: str, *, started: bool, refund: bool) -> Job:
    """Unfinished and free again at once; `refund` gives the attempt back.

    An end of the service is no fault of the job: a deploy must not use up its last attempt.
    """
    attempt = max(0, job.attempt - 1) if refund else job.attempt
    released = job.with_run(_run(job, now, "released", reason)) if started else job
    return _freed(replace(released, attempt=attempt), now)


def paused(job: Job) -> Job:
    """Out of reach of every poll until resumed; a run in hand is left to end.

    As with `resumed` and `cancelled`, what is finished stays as it is: its slots never run again.
    """
    if job.finished:
        return job
    if job.lease is not None:
        return replace(job, paused=True)
    return replace(job, paused=True, state=JobState.PAUSED, due_at=None)


def resumed(job: Job) -> Job:
    """Due again at its slot; the misfire policy looks after what was missed."""
    if job.finished:
        return job
    if job.lease is not None:
        return replace(job, paused=False)
    return replace(job, paused=False, state=JobState.SCHEDULED, due_at=job.slot)


def cancelled(job: Job) -> Job:
    """Final at once; a run in hand then has nothing to complete and is counted as stale."""
    if job.finished:
        return job
    return replace(job, state=JobState.CANCELLED, due_at=None, lease=None, paused=False)


def _misfire(job: Job, now: datetime) -> Judgement:
    if job.misfire == "run_all":
        return _catch_up(job, now)
    latest, missed = job.schedule.latest(job.slot, now)
    late = (now - latest).total_seconds() > job.grace_seconds
    if job.misfire == "skip":
        return _skip(job, now, latest, missed, late) if late or missed else Runnable(job)
    if missed:
        through = job.schedule.preceding(latest)
        reason = "misfire: run_once"
        run = Run(job.slot, "coalesced", now, job.fence, 0, reason, None, missed, through)
        return Runnable(replace(job, slot=latest, effects={}).with_run(run), coalesced=missed)
    return Runnable(job)


def _catch_up(job: Job, now: datetime) -> Runnable:
    first = job.schedule.newest(job.slot, now, job.max_catchup)
    if first == job.slot:
        return Runnable(job)
    through = job.schedule.preceding(first)
    count = job.schedule.latest(job.slot, through)[1] + 1
    reason = f"misfire: run_all runs the last {job.max_catchup} (max_catchup)"
    run = Run(job.slot, "skipped", now, job.fence, 0, reason, None, count, through)
    return Runnable(replace(job, slot=first, effects={}).with_run(run), skipped=count)


def _skip(job: Job, now: datetime, latest: datetime, missed: int, late: bool) -> Judgement:
    count = missed + 1 if late else missed
    through = latest if late else job.schedule.preceding(latest)
    run = Run(job.slot, "skipped", now, job.fence, count=count, through=through, reason="misfire")
    following = job.schedule.following(latest) if late else latest
    if following is None:
        ended = replace(job, state=JobState.SKIPPED, due_at=None)
        return Settled(ended.with_run(run), "misfire", count)
    moved = replace(job, slot=following, due_at=following, effects={}).with_run(run)
    return Settled(moved, "misfire", count)


def _run(
    job: Job, now: datetime, outcome: str, reason: str, result: Mapping[str, Any] | None = None
) -> Run:
    return Run(job.slot, outcome, now, job.fence, job.attempt, reason, result)


def _freed(job: Job, due_at: datetime) -> Job:
    free = replace(job, state=JobState.SCHEDULED, lease=None, due_at=due_at)
    return paused(free) if job.paused else free


def _end_slot(
    job: Job,
    now: datetime,
    outcome: str,
    reason: str,
    result: Mapping[str, Any] | None = None,
) -> Job:
    ended = job.with_run(_run(job, now, outcome, reason, result))
    following = job.schedule.following(job.slot)
    if following is None:
        return replace(ended, state=JobState(outcome), due_at=None, lease=None, paused=False)
    return _freed(replace(ended, slot=following, attempt=0, effects={}), following)

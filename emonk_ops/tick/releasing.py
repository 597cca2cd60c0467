"""A lease given back by hand: what that makes of the job, and when it is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from emonk_ops.tick.errors import JobConflict
from emonk_ops.tick.instants import to_text
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.settlement import after_release


def released(job: Job, now: datetime, *, force: bool, reason: str) -> Job:
    """The job without its lease, due at once; as it is where nobody holds one.

    A live lease is refused unless `force` says so with a reason. Then the fence is raised, so that
    the result of a run that still goes on is stale whichever way it is written. The attempt is not
    refunded. Raises JobConflict.
    """
    if job.lease is None:
        return job
    live = job.holds_live_lease(now)
    if live and not (force and reason):
        raise JobConflict(
            f"job '{job.id}' is held by {job.lease.by} until {to_text(job.lease.until)} "
            f"(fence {job.fence}): it may be running.",
            hint="Wait until then, or force it and give a reason: the late result is then dropped.",
            code="leased",
        )
    words = f"released by hand: {reason}" if reason else "released by hand"
    freed = after_release(job, now, words, started=True, refund=False)
    return replace(freed, fence=job.fence + 1) if live else freed

"""Jobs as an older export has them, for when their store cannot be read.

Nobody knows what ran since. A recurring job goes on at its next slot; a one-off job is held, since
it may have run; what was scheduled later stays in the store that cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import StateDamaged
from emonk_ops.operations import carried_file
from emonk_ops.operations.carried_file import Carried
from emonk_ops.tick.jobs import InvalidJob, Job, JobState, checksum, replace
from emonk_ops.toolbox import Toolbox

FORMAT = "emonk-jobs/1"


@dataclass(frozen=True)
class OldJobs:
    """The newest export that this machine has, as it may be imported `now`."""

    taken_at: datetime
    document: Mapping[str, Any]
    recurring: tuple[str, ...]
    held: tuple[str, ...]
    epoch: int

    def sentence(self) -> str:
        """What comes along, and what is lost from sight."""
        held = f"; held, since they may have run: {', '.join(self.held)}" if self.held else ""
        return (
            f"{self.document['count']} jobs as exported at {self.taken_at:%Y-%m-%d %H:%M:%S}Z: "
            f"{len(self.recurring)} recurring ones go on at their next slot{held}; what was "
            "scheduled or changed since stays in Firestore only"
        )

    def facts(self) -> dict[str, Any]:
        return {
            "exported_at": self.taken_at.isoformat(),
            "jobs": self.document["count"],
            "recurring": list(self.recurring),
            "held": list(self.held),
        }

    def as_carried(self, from_revision: str, driver_after: str, now: datetime) -> Carried:
        """To be brought like jobs that are between two revisions."""
        return Carried(
            from_revision=from_revision,
            driver_before="cloud",
            driver_after=driver_after,
            epoch=self.epoch,
            quiesced_at=now.isoformat(),
            document=self.document,
            as_of=self.taken_at.isoformat(),
        )


NONE_KNOWN = (
    "this machine has no export of the jobs: those that the service declares go on at their next "
    "slot; all others stay in Firestore only, and cannot be listed"
)


def keep_captured(tools: Toolbox, document: Mapping[str, Any]) -> None:
    """Keep an export that a capture made, for this very use."""
    now = tools.clock.now()
    found = Carried("", "", "", 0, now.isoformat(), document)
    carried_file.save(tools.keep, found, carried_file.CAPTURED_FILE)


def newest(tools: Toolbox) -> OldJobs | None:
    """The newest export there is, made fit to go on from. Raises StateDamaged."""
    found = carried_file.all_kept(tools.keep)
    if not found:
        return None
    last = max(found, key=lambda one: datetime.fromisoformat(one.quiesced_at))
    epoch = max(one.epoch for one in found)
    return made_old(last, tools.clock.now(), epoch)


def made_old(carried: Carried, now: datetime, epoch: int) -> OldJobs:
    taken_at = datetime.fromisoformat(carried.quiesced_at)
    try:
        jobs = [Job.from_dict(one) for one in carried.document["jobs"]]
    except (KeyError, InvalidJob) as error:
        raise StateDamaged(
            f"the export of {carried.quiesced_at} cannot be read: {error}"
        ) from error
    # A lease takes a second at least, so that no claim made since had a higher fence.
    since = max(0, int((now - taken_at).total_seconds())) + 1
    fresh = [_as_of(job, now, since) for job in jobs]
    written = [job.to_dict() for job in fresh]
    document = {
        "format": FORMAT,
        "checksum": checksum(written),
        "count": len(written),
        "held": [],
        "jobs": written,
    }
    live = [job for job in jobs if not job.finished]
    return OldJobs(
        taken_at,
        document,
        tuple(job.id for job in live if job.schedule.recurs),
        tuple(job.id for job in live if not job.schedule.recurs),
        epoch,
    )


def _as_of(job: Job, now: datetime, since: int) -> Job:
    if job.finished:
        return job
    if not job.schedule.recurs:
        held = replace(job, paused=True, state=JobState.PAUSED, due_at=None, lease=None)
        return replace(held, fence=job.fence + since)
    slot = job.slot
    if slot <= now:
        last, _passed = job.schedule.latest(slot, now)
        slot = job.schedule.following(last) or slot
    state = JobState.PAUSED if job.paused else JobState.SCHEDULED
    due_at = None if job.paused else slot
    moved = replace(job, slot=slot, due_at=due_at, state=state, lease=None, attempt=0)
    return replace(moved, fence=job.fence + since)

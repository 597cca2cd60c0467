"""A time that was written in one zone and read in another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from emonk_ops.operations.diagnosing.model import Cause, Issue, Suspect, at
from emonk_ops.operations.diagnosing.seen import Seen
from emonk_ops.tick.jobs import Job

NEAR = timedelta(minutes=10)  # a reminder "at two" is made some minutes before two
TEXT_KEYS = ("schedule_at", "at", "when", "run_at", "remind_at", "due", "time")


def _other_zone(seen: Seen) -> Suspect | None:
    for job in seen.jobs or ():
        if job.schedule.at is None or job.finished or job.slot <= seen.now:
            continue
        naive = _naive_twin(job)
        ahead = job.slot - job.created_at
        for zone in _zones(seen):
            offset = job.slot.astimezone(ZoneInfo(zone)).utcoffset() or timedelta()
            if offset <= timedelta() or not (naive or abs(ahead - offset) <= NEAR):
                continue
            return _zone_suspect(job, zone, offset, naive)
        if naive:
            return _zone_suspect(job, "", timedelta(), naive)
    return None


def _zone_suspect(job: Job, zone: str, offset: timedelta, naive: str) -> Suspect:
    told = f"{job.id}, made {at(job.created_at)}, is due {at(job.slot)}"
    if zone:
        told += f"; read as {zone} that is {at(job.slot - offset)}"
    if naive:
        told += f"; its payload says {naive!r}, which has no zone"
    facts = {"slot": job.slot, "zone": zone, "offset_seconds": offset.total_seconds()}
    return Suspect(told, facts, {"job_id": job.id}, (job.id,))


def _naive_twin(job: Job) -> str:
    """A time without a zone in the payload that is the slot's, taken for UTC."""
    for key in TEXT_KEYS:
        text = job.payload.get(key)
        try:
            found = datetime.fromisoformat(str(text)) if isinstance(text, str) else None
        except ValueError:
            continue
        if found is not None and found.tzinfo is None and found.replace(tzinfo=UTC) == job.slot:
            return str(text)
    return ""


def _zones(seen: Seen) -> list[str]:
    """Zones that somebody here uses."""
    used = [
        seen.env.time_zone,
        *(one.schedule.zone for one in seen.jobs or () if one.schedule.line),
    ]
    return sorted({one for one in used if one and one.rsplit("/", 1)[-1] not in ("UTC", "GMT")})


CAUSES = (
    Cause(
        "schedule-in-another-zone",
        Issue.NOT_EXECUTING,
        "A job's time was written without a zone or in another one, and was taken for UTC.",
        "A job is due hours later than whoever made it says.",
        "Check job `schedule_at` timestamps",
        "emonk-ops jobs show {job_id} --env {env}",
        "emonk-ops jobs cancel {job_id} --env {env}, then schedule it with an offset: --at "
        "2026-01-05T12:00:00+01:00",
        "emonk-ops jobs show {job_id} --env {env} names the instant that was meant.",
        _other_zone,
    ),
)

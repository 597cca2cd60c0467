"""One stored job, changed by hand: scheduled, cancelled, paused, resumed, its lease given back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import Refused, UsageError
from emonk_ops.ports import TickService
from emonk_ops.tick.jobs import InvalidJob, Job, JobState, Schedule

AT = "--at 2026-01-05T12:00:00Z or --at 2026-01-05T12:00:00+01:00"
ENDED = "it has ended; nothing of it is left to {verb}"


@dataclass(frozen=True)
class Changed:
    """The job after, whether anything was changed, and what happened in words."""

    job: Mapping[str, Any]
    changed: bool
    sentence: str


def schedule_of(
    *,
    at: str,
    cron: str,
    zone: str,
    every: float | None,
    dst: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A schedule's JSON form. Raises UsageError unless exactly one sort is given, and right.

    `dst` are what is said of missing and repeated times of a cron line, "" for nothing.
    """
    given = {"at": at or None, "cron": cron or None, "every": every}
    chosen = {name: value for name, value in given.items() if value is not None}
    if len(chosen) != 1:
        raise UsageError(
            f"{len(chosen)} of --at, --cron and --every are given, exactly one is needed",
            hint="--at 2026-01-05T12:00:00Z, --cron '*/5 * * * *' --tz UTC, or --every 300",
        )
    if zone and not cron:
        raise UsageError("--tz belongs to --cron", hint="--at takes an offset: …T12:00:00+01:00")
    said = {name: value for name, value in (dst or {}).items() if value}
    if said and not cron:
        raise UsageError("--dst-missing and --dst-repeated belong to --cron", hint="--cron LINE")
    if at and not _is_aware(at):
        raise UsageError(f"--at {at} is no instant with a time zone", hint=AT)
    data: dict[str, Any] = {**chosen, "tz": zone or "UTC"} if cron else chosen
    if said:
        data["dst"] = said
    try:
        return Schedule.from_dict(data).to_dict()
    except InvalidJob as error:
        raise UsageError(error.message, hint=error.hint) from error


def _is_aware(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def schedule(service: TickService, wanted: Mapping[str, Any]) -> Changed:
    job = service.schedule_job(wanted)
    return Changed(job, True, f"first slot {job.get('slot', '-')}")


def cancel(service: TickService, job_id: str) -> Changed:
    """Final: no slot runs any more, and a run in hand has nothing to record."""
    job = service.job(job_id)
    if job["state"] == "cancelled":
        return Changed(job, False, "already cancelled")
    if _ended(job):
        raise Refused(f"job '{job_id}' {ENDED.format(verb='cancel')} ({job['state']})")
    lease = f"; the run of {job['lease_by']} will be stale" if job.get("lease_until") else ""
    return Changed(service.cancel_job(job_id), True, f"cancelled{lease}")


def pause(service: TickService, job_id: str) -> Changed:
    job = service.job(job_id)
    if job["paused"]:
        return Changed(job, False, "already paused")
    if _ended(job):
        raise Refused(f"job '{job_id}' {ENDED.format(verb='pause')} ({job['state']})")
    lease = f"; the run of {job['lease_by']} is left to end" if job.get("lease_until") else ""
    return Changed(service.pause_job(job_id), True, f"paused{lease}")


def resume(service: TickService, job_id: str) -> Changed:
    job = service.job(job_id)
    if not job["paused"]:
        return Changed(job, False, "it is not paused")
    after = service.resume_job(job_id)
    return Changed(after, True, f"due at {after.get('due_at') or '-'}")


def release(service: TickService, job_id: str, *, force: bool, reason: str) -> Changed:
    """Give a lease back. Raises Refused for a live one unless forced with a reason."""
    if force and not reason:
        raise UsageError("--force needs a reason", hint='--force --reason "why it is stuck"')
    facts = service.job_facts(job_id)
    job = facts["job"]
    until = job.get("lease_until")
    if until is None:
        return Changed(job, False, "nobody holds it")
    held = f"held by {job['lease_by']} until {until}, fence {job['fence']}"
    if datetime.fromisoformat(until) > datetime.fromisoformat(facts["now"]) and not force:
        raise Refused(
            f"job '{job_id}' is {held}: it may be running",
            hint=f'Wait until then, or: emonk-ops jobs release {job_id} --force --reason "…" '
            "(the fence makes the late run's result stale)",
        )
    answer = service.release_job(job_id, force=force, reason=reason)
    after = answer["job"]
    if not answer["released"]:
        return Changed(after, False, "nobody holds it any more")
    return Changed(after, True, f"was {held}; now {after['state']}{_last_chance(after)}")


def _last_chance(job: Mapping[str, Any]) -> str:
    attempt, most = job.get("attempt", 0), job.get("max_attempts", 0)
    spent = attempt >= most > 0
    return f"; attempt {attempt} of {most} is spent, so the next tick ends it dead" if spent else ""


def _ended(job: Mapping[str, Any]) -> bool:
    if "due_at" not in job:
        return False
    final = (JobState.SUCCEEDED, JobState.SKIPPED, JobState.DEAD, JobState.CANCELLED)
    return Job.from_dict(job).finished and job["state"] in final

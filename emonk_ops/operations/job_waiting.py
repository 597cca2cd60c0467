"""What is known of a job when somebody asks about it, and what its slot in hand waits for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.errors import NotFound, OpsError
from emonk_ops.operations.job_slots import instant
from emonk_ops.ports import LogEntry
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

AROUND = timedelta(minutes=10)
AFTERWARDS = timedelta(hours=6)
MOST_ENTRIES = 200
DRIVER_CHANGED = "Scheduler driver changed"


@dataclass(frozen=True)
class Known:
    """The job, who drives, and what the log tells; all at `now`, the store's clock."""

    job_id: str
    job: Job | None
    now: datetime
    driver: str = ""  # "" where the store names none
    epoch: int = 0
    driver_revision: str = ""
    this_revision: str = ""
    known_type: bool = True
    rivals: tuple[str, ...] = ()  # jobs of the same concurrency key with a live lease
    entries: tuple[LogEntry, ...] = ()
    log_error: str = ""

    @property
    def stopped(self) -> bool:
        """Whether no tick of the revision that serves can claim anything."""
        return self.driver in ("", "nobody") or self.driver_revision != self.this_revision

    @property
    def driver_told(self) -> str:
        if not self.driver:
            return "nobody drives: the store names no driver"
        told = f"driver {self.driver}, epoch {self.epoch}, revision {self.driver_revision}"
        if self.driver != "nobody" and self.driver_revision != self.this_revision:
            told += f"; the revision that serves is {self.this_revision}, which stands by"
        return told


def waits_for(known: Known, job: Job) -> str:
    """Such as "waits: it is paused", for the slot in hand."""
    if job.lease is not None:
        until = f"{job.lease.until:%Y-%m-%d %H:%M:%S}Z"
        if job.holds_live_lease(known.now):
            return f"is being run by {job.lease.by}, whose lease ends {until}"
        taken = "" if not known.stopped else f"; {_stopped(known)}"
        return (
            f"was claimed by {job.lease.by}, whose lease ended {until}: a tick has to take it"
            f" over{taken}"
        )
    if job.paused:
        return "waits: the job is paused"
    if job.due_at is None:
        return f"is final: the job is {job.state}"
    if known.stopped:
        return f"waits: {_stopped(known)}"
    if not known.known_type:
        return f"waits: the serving revision knows no job type '{job.type}'"
    if job.due_at > known.now:
        return f"waits until {job.due_at:%Y-%m-%d %H:%M:%S}Z{_after_failure(job)}"
    if known.rivals:
        return f"waits: its concurrency key is busy with {', '.join(known.rivals)}"
    late = (known.now - job.due_at).total_seconds()
    return f"is due since {late:.0f} s: the next tick of {known.driver} takes it"


def _stopped(known: Known) -> str:
    if known.driver in ("", "nobody"):
        return "nobody drives"
    return f"{known.driver_revision} drives, not {known.this_revision}, which serves"


def _after_failure(job: Job) -> str:
    tried = [run for run in job.recent if run.slot == job.slot and run.outcome == "failed"]
    if not tried:
        return ""
    return f" for attempt {job.attempt + 1} of {job.max_attempts}, after: {tried[-1].reason}"


def look(tools: Toolbox, job_id: str, at: datetime | None) -> Known:
    """Ask the service for the facts and the log for its entries; a log that is out of reach is
    only said so."""
    try:
        facts = tools.service.job_facts(job_id)
    except NotFound:
        now = tools.clock.now()
        entries, error = _entries(tools, job_id, now - AFTERWARDS, None)
        own = tuple(entry for entry in entries if entry.message != DRIVER_CHANGED)
        return Known(job_id, None, now, entries=own, log_error=error)
    job = Job.from_dict(facts["job"])
    asked = at or (job.recent[-1].slot if job.finished and job.recent else job.slot)
    entries, error = _entries(tools, job_id, asked - AROUND, asked + AFTERWARDS)
    return Known(
        job_id,
        job,
        now=instant(facts["now"]),
        driver=str(facts.get("driver") or ""),
        epoch=int(facts.get("epoch") or 0),
        driver_revision=str(facts.get("driver_revision") or ""),
        this_revision=str(facts.get("this_revision") or ""),
        known_type=bool(facts.get("known_type", True)),
        rivals=_rivals(tools, facts["job"], instant(facts["now"])),
        entries=entries,
        log_error=error,
    )


def _rivals(tools: Toolbox, job: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    key = job.get("concurrency_key")
    if not key:
        return ()
    return tuple(
        str(other["id"])
        for other in tools.service.list_jobs()
        if other.get("concurrency_key") == key
        and other["id"] != job["id"]
        and other.get("lease_until")
        and instant(other["lease_until"]) > now
    )


def _entries(
    tools: Toolbox, job_id: str, since: datetime, until: datetime | None
) -> tuple[tuple[LogEntry, ...], str]:
    found: list[LogEntry] = []
    try:
        for asked in (f'jsonPayload.job_id="{job_id}"', f'jsonPayload.message="{DRIVER_CHANGED}"'):
            query = service_entries(tools, asked)
            found += tools.logs.entries(query, since=since, until=until, limit=MOST_ENTRIES)
    except OpsError as error:
        return tuple(found), error.message
    return tuple(sorted(found, key=lambda entry: entry.timestamp)), ""


def service_entries(tools: Toolbox, more: str) -> str:
    """A query for the service's own entries, in Cloud Logging's language."""
    name = tools.env.service.name
    own = f'resource.type="cloud_run_revision" AND resource.labels.service_name="{name}"'
    return f"{own} AND {more}"

"""Whether each slot that a job's schedule had is accounted for, from stored facts and the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.errors import ExitCode
from emonk_ops.operations.job_slots import (
    LOGGED,
    counters_prove,
    ends_of,
    first_slot,
    logged_ends,
    on_schedule,
    reach_of,
    slots_between,
)
from emonk_ops.operations.job_waiting import service_entries
from emonk_ops.ports import LogEntry
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

GAP, UNKNOWN, WAITING, COUNTED = "missing", "unknown", "waiting", "counted"
# In the order in which they are told. "counted": ended by the job's counters, which one ended how
# is no longer on record. "waiting": in hand or behind the slot in hand, so not lost.
CLASSES = ("succeeded", "dead", "skipped", "coalesced", COUNTED, "cancelled", WAITING)
ALL_CLASSES = (*CLASSES, UNKNOWN, GAP)
Entries = Callable[[Job], Iterable[LogEntry]]  # what the log tells of a job's ends


@dataclass
class JobAudit:
    """One job: how many of its slots are of each class, and those that are in no class."""

    job_id: str
    classes: Counter[str] = field(default_factory=Counter)
    gaps: list[datetime] = field(default_factory=list)
    unknown: tuple[datetime, datetime] | None = None  # first and last that nobody can judge
    why_unknown: str = ""

    @property
    def slots(self) -> int:
        return self.classes.total()

    def add(self, kind: str, slot: datetime) -> None:
        self.classes[kind] += 1
        if kind == GAP:
            self.gaps.append(slot)
        elif kind == UNKNOWN:
            self.unknown = (self.unknown[0] if self.unknown else slot, slot)


def audit(
    job: Job,
    begin: datetime,
    end: datetime,
    now: datetime,
    entries: Entries,
    *,
    recorded: bool = True,
) -> JobAudit:
    """Account for the job's slots in `begin`..`end` (the end excluded), up to `now`.

    The log is asked only for slots that the record has forgotten and the counters do not prove.
    Not `recorded`: only a file defines the job, and the log alone knows how its slots ended.
    """
    if not recorded:
        return _by_log_alone(job, begin, min(end, now), entries)
    found = JobAudit(job.id)
    known = {slot: run.outcome for run in job.recent for slot in ends_of(job, run, begin)}
    reach, changed = reach_of(job), changed_until(job)
    proven: bool | None = None
    asked = False
    for slot in slots_between(job, begin, min(end, now)):
        if slot not in known and _forgotten(job, slot, reach):
            if proven is None:
                proven = changed is None and counters_prove(job)
            if not proven and not asked:
                known |= _told(job, entries)
                asked = True
        kind = known.get(slot) or _unended(job, slot, reach, changed, proven=bool(proven))
        found.add(kind, slot)
    if found.unknown:
        found.why_unknown = _why_unknown(reach, changed)
    return found


def _by_log_alone(job: Job, begin: datetime, end: datetime, entries: Entries) -> JobAudit:
    found, known = JobAudit(job.id), _told(job, entries)
    for slot in slots_between(job, begin, end):
        found.add(known.get(slot, UNKNOWN), slot)
    if found.unknown:
        found.why_unknown = "the log does not tell, and the service cannot be asked"
    return found


def ends_in_log(tools: Toolbox, since: datetime) -> Entries:
    """The entries of the service's log that tell of a job's ended slots, as they are read."""
    said = " OR ".join(f'jsonPayload.message="{message}"' for message in LOGGED)

    def told(job: Job) -> Iterator[LogEntry]:
        query = service_entries(tools, f'jsonPayload.job_id="{job.id}" AND ({said})')
        return tools.logs.entries(query, since=since)

    return told


def _forgotten(job: Job, slot: datetime, reach: datetime | None) -> bool:
    return slot < job.slot and reach is not None and slot < reach


def _unended(
    job: Job, slot: datetime, reach: datetime | None, changed: datetime | None, *, proven: bool
) -> str:
    """The class of a slot of whose end nothing is said."""
    if slot >= job.slot:
        return _at_hand(job, slot)
    if _forgotten(job, slot, reach):
        return COUNTED if proven else UNKNOWN
    if changed is not None and slot <= changed:
        return UNKNOWN
    return GAP


def _at_hand(job: Job, slot: datetime) -> str:
    if job.state == "cancelled":
        return "cancelled"
    if not job.finished:
        return WAITING
    return GAP if job.state != "skipped" or slot != job.slot else "skipped"


def _told(job: Job, entries: Entries) -> dict[datetime, str]:
    return {
        slot: LOGGED[entry.message]
        for entry in entries(job)
        for slot in logged_ends(job, entry.message, entry.payload)
    }


def changed_until(job: Job) -> datetime | None:
    """Until when the schedule was surely another one: a run on record has a slot it has not."""
    off = [
        run.at
        for run in job.recent
        if run.outcome == "rescheduled" or not on_schedule(job, run.slot)
    ]
    begun = min((run.slot for run in job.recent), default=None)
    if begun is not None and begun < first_slot(job):
        off.append(job.created_at)
    return max(off, default=None)


def _why_unknown(reach: datetime | None, changed: datetime | None) -> str:
    if changed is not None:
        return f"its schedule was changed at {changed:%Y-%m-%d %H:%M:%S}Z or later"
    return (
        f"its record reaches back to {reach:%Y-%m-%d %H:%M:%S}Z, its counters do not add up with "
        "the schedule, and the log does not tell"
    )


@dataclass
class Total:
    """All jobs together, as they are audited one after the other."""

    jobs: int = 0
    classes: Counter[str] = field(default_factory=Counter)

    def include(self, found: JobAudit) -> None:
        self.jobs += 1
        self.classes.update(found.classes)

    @property
    def slots(self) -> int:
        return self.classes.total()

    @property
    def verdict(self) -> tuple[ExitCode, str]:
        """Missing slots fail; what nobody can judge is inconclusive, and so is no slot at all."""
        n, gaps, unknown = self.slots, self.classes[GAP], self.classes[UNKNOWN]
        if gaps:
            return ExitCode.CHECK_FAILED, f"FAIL: {gaps} of {n} slots are missing"
        if unknown:
            return ExitCode.INCONCLUSIVE, f"INCONCLUSIVE: {unknown} of {n} slots cannot be judged"
        if n == 0:
            return ExitCode.INCONCLUSIVE, "INCONCLUSIVE: no slot lies in this window"
        waiting = f", {self.classes[WAITING]} of them not run yet" if self.classes[WAITING] else ""
        return ExitCode.DONE, f"PASS: all {n} slots are accounted for{waiting}"


def as_data(found: JobAudit) -> Mapping[str, Any]:
    """The JSON form."""
    unknown = found.unknown
    return {
        "id": found.job_id,
        "slots": found.slots,
        "classes": {name: found.classes[name] for name in ALL_CLASSES if found.classes[name]},
        "missing": [slot.isoformat() for slot in found.gaps],
        "unknown": None if unknown is None else [one.isoformat() for one in unknown],
        "why_unknown": found.why_unknown,
    }


def told_classes(classes: Counter[str]) -> str:
    """Such as "12 succeeded, 1 dead"."""
    return ", ".join(f"{classes[name]} {name}" for name in ALL_CLASSES if classes[name]) or "none"


def jobs_of(listed: Iterator[Mapping[str, Any]]) -> Iterator[Job]:
    """The stored jobs, one at a time."""
    return (Job.from_dict(one) for one in listed)

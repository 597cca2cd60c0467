"""Why a slot ran, ran late, ran twice or did not run: told from stored facts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from emonk_ops.operations.job_slots import ends_of, first_slot, on_schedule, reach_of, slot_before
from emonk_ops.operations.job_waiting import Known, waits_for
from emonk_ops.ports import LogEntry
from emonk_ops.tick.jobs import Job, Run

ATTEMPTS = ("succeeded", "failed", "dead", "released")
ON_TIME_SECONDS = 60.0
ENTRIES_TOLD = 12
EXECUTING = "Executing job "


@dataclass(frozen=True)
class Fact:
    """One thing that is on record, and when it was (None: it is so now)."""

    at: datetime | None
    text: str


@dataclass(frozen=True)
class Explanation:
    """The facts by time, and what follows from them in one line. `slot` None: no slot is meant."""

    slot: datetime | None
    conclusion: str
    facts: tuple[Fact, ...]
    known: bool = True  # whether the record suffices for the conclusion


def explain(known: Known, at: datetime | None) -> Explanation:
    """Explain the slot at or before `at`; without `at` the slot in hand, or the last one."""
    job = known.job
    if job is None:
        facts = _from_log(known.entries)
        return Explanation(None, f"no job '{known.job_id}' is stored here", facts, known=False)
    slot = _meant(job, at)
    created = Fact(job.created_at, "the job was created")
    if slot is None or slot < min(first_slot(job), *(run.slot for run in job.recent), job.slot):
        begins = min(first_slot(job), job.slot)
        none = f"there was no slot: the first one is {shown(begins)}"
        return Explanation(None, none, (created,))
    told = [*_runs_told(job, slot), *_from_log(_about(known.entries, slot))]
    if job.created_at > slot:
        told.append(created)
    conclusion, sure = _conclude(known, job, slot)
    told += _now_told(known, job)
    ordered = sorted(told, key=lambda one: one.at or known.now)
    return Explanation(slot, conclusion, tuple(ordered), known=sure)


def _meant(job: Job, at: datetime | None) -> datetime | None:
    if at is None:
        return job.recent[-1].slot if job.finished and job.recent else job.slot
    recorded = [run.slot for run in job.recent if run.slot <= at]
    planned = slot_before(job, at)
    if planned is None or (recorded and max(recorded) > planned):
        return max(recorded, default=None)
    return planned


def _conclude(known: Known, job: Job, slot: datetime) -> tuple[str, bool]:
    name = f"slot {shown(slot)}"
    passed = [run for run in job.recent if run.outcome in ("skipped", "coalesced")]
    over = next((run for run in passed if slot in ends_of(job, run, slot)), None)
    runs = [run for run in job.recent if run.slot == slot and run.outcome in ATTEMPTS]
    if over is not None and not runs:
        return f"{name} {_passed_over(job, over)}", True
    if runs and runs[-1].outcome in ("succeeded", "dead"):
        return f"{name} {_ran(known, job, slot, runs)}", True
    if slot == job.slot or slot > job.slot:
        return f"{name} {_not_yet(known, job, slot)}", True
    if runs:
        return f"{name} {_ran(known, job, slot, runs)}", True
    return _unrecorded(known, job, slot)


def _ran(known: Known, job: Job, slot: datetime, runs: Sequence[Run]) -> str:
    last = runs[-1]
    began = _began(known.entries, slot)
    late = ((began or last.at) - slot).total_seconds()
    after = f"{'began' if began else 'ended'} {late:.0f} s after it"
    tries = max(last.attempt, len(runs))
    how = "succeeded" if last.outcome == "succeeded" else f"ended {last.outcome}"
    told = f"ran once and {how}" if tries == 1 else f"was run {tries} times and {how}"
    if late > ON_TIME_SECONDS:
        told += ", late"
    return f"{told} ({after}){_reasons(job, slot, runs, late)}"


def _reasons(job: Job, slot: datetime, runs: Sequence[Run], late: float) -> str:
    reasons = [
        f"attempt {run.attempt} {run.outcome}: {run.reason or 'no reason given'}"
        for run in runs[:-1]
    ]
    lost = runs[-1].attempt - len(runs)
    if lost > 0:
        reasons.append(
            f"{lost} attempts left no result, so their leases had to expire (the process died, "
            "hung, or could not reach its store)"
        )
    folded = [
        run for run in job.recent if run.outcome == "coalesced" and run.fence == runs[0].fence - 1
    ]
    if late > ON_TIME_SECONDS and folded:
        reasons.append(f"{folded[-1].count} earlier slots had been missed and were folded into it")
    if late > ON_TIME_SECONDS and job.created_at > slot:
        reasons.append(f"the job was created after it, at {shown(job.created_at)}")
    if late > ON_TIME_SECONDS and not reasons:
        reasons.append("no tick of the driver claimed it before")
    if runs[-1].outcome == "dead":
        reasons.append(runs[-1].reason)
    return f": {'; '.join(reasons)}" if reasons else ""


def _passed_over(job: Job, run: Run) -> str:
    slots = f"with {run.count} slots from {shown(run.slot)} on"
    why = run.reason or "no reason given"
    if run.outcome == "skipped":
        return f"was skipped at {shown(run.at)}, {slots}: {why}, it was late beyond its grace"
    return f"did not run by itself: it was folded into a later one at {shown(run.at)}, {slots}"


def _not_yet(known: Known, job: Job, slot: datetime) -> str:
    waiting = waits_for(known, job)
    if job.state == "cancelled":
        return "never runs: the job is cancelled"
    if slot > known.now:
        return "lies in the future" + (f"; {waiting}" if job.paused or known.stopped else "")
    if slot > job.slot:
        return f"waits behind {shown(job.slot)}, the slot in hand, which {waiting}"
    return f"has not ended: it {waiting}"


def _unrecorded(known: Known, job: Job, slot: datetime) -> tuple[str, bool]:
    name = f"slot {shown(slot)}"
    logged = [entry for entry in _about(known.entries, slot) if entry.message in LOG_ENDS]
    if logged:
        return f"{name} ended: the log says '{logged[-1].message}'", True
    reach = reach_of(job)
    if reach is not None and slot < reach:
        told = f"the job's record reaches back to {shown(reach)}, and the log tells nothing of it"
        return f"{name} can no longer be explained: {told}", False
    if not on_schedule(job, slot) or any(run.outcome == "rescheduled" for run in job.recent):
        return f"{name} left no run: the job had another schedule then", False
    return f"{name} is MISSING: later slots ran, and nothing accounts for it", True


LOG_ENDS = ("Job succeeded", "Job dead", "Job slots skipped", "Job slots coalesced")


def _runs_told(job: Job, slot: datetime) -> list[Fact]:
    found = [Fact(slot, "the slot")]
    for run in job.recent:
        if run.slot == slot or slot in ends_of(job, run, slot):
            reason = f": {run.reason}" if run.reason else ""
            count = f", {run.count} slots" if run.count != 1 else ""
            told = f"{run.outcome} (attempt {run.attempt}, fence {run.fence}{count}){reason}"
            found.append(Fact(run.at, told))
    return found


def _now_told(known: Known, job: Job) -> list[Fact]:
    lease = job.lease
    held = (
        ""
        if lease is None
        else f", held by {lease.by} until {shown(lease.until)} (fence {job.fence})"
    )
    due = f", due {shown(job.due_at)}" if job.due_at else ""
    return [
        Fact(None, f"job {job.state}, slot in hand {shown(job.slot)}{due}{held}"),
        Fact(None, known.driver_told),
    ]


def _began(entries: Sequence[LogEntry], slot: datetime) -> datetime | None:
    begun = [one.timestamp for one in _about(entries, slot) if one.message.startswith(EXECUTING)]
    return min(begun, default=None)


def _about(entries: Sequence[LogEntry], slot: datetime) -> list[LogEntry]:
    """Those that name the slot, or name none."""
    return [
        entry
        for entry in entries
        if "slot" not in entry.payload or datetime.fromisoformat(str(entry.payload["slot"])) == slot
    ]


def _from_log(entries: Sequence[LogEntry]) -> tuple[Fact, ...]:
    told = []
    for entry in entries[-ENTRIES_TOLD:]:
        names = ("reason", "driver", "epoch", "fence", "attempt", "path", "decision", "count")
        more = [f"{name}={_plain(entry.payload[name])}" for name in names if name in entry.payload]
        told.append(Fact(entry.timestamp, f"log: {' '.join([entry.message, *more])}"))
    return tuple(told)


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(moment: datetime) -> str:
    """To the second, or to the microsecond where there are any."""
    return moment.replace(tzinfo=None).isoformat(sep=" ") + "Z"

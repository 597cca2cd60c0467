"""The slots of a stored job: which its schedule has, and how each is said to have ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from emonk_ops.tick.jobs import Job, Run

MOMENT = timedelta(microseconds=1)
ENDS = ("succeeded", "dead", "skipped", "coalesced")
MOST_COUNTED = 200_000


def slots_between(job: Job, begin: datetime, end: datetime) -> Iterator[datetime]:
    """The schedule's slots in `begin`..`end`, the end excluded, from the job's creation on."""
    first = first_slot(job)
    slot: datetime | None = first
    if job.schedule.at is None:
        slot = _first_from(job, begin)
    while slot is not None and slot < end:
        if slot >= max(begin, first):
            yield slot
        slot = job.schedule.following(slot)


def first_slot(job: Job) -> datetime:
    """The slot that the job began with, if its schedule was always this one."""
    return job.schedule.first(job.created_at)


def on_schedule(job: Job, slot: datetime) -> bool:
    """Whether the schedule as it is now has this slot."""
    if job.schedule.at is not None:
        return slot == job.schedule.at
    return _first_from(job, slot) == slot


def ends_of(job: Job, run: Run, begin: datetime) -> Iterator[datetime]:
    """The slots from `begin` on that this run ended; none for an attempt that was tried again."""
    if run.outcome not in ENDS:
        return
    slot = run.slot
    if run.through is not None and slot < begin and job.schedule.at is None:
        # A job of seconds that was away for days has folded more slots than anybody counts.
        slot = max(slot, _first_from(job, begin))
    for at in passed(job, slot, run.count, run.through):
        if at >= begin:
            yield at


def passed(job: Job, slot: datetime, count: int, through: datetime | None) -> Iterator[datetime]:
    """`count` slots from `slot` on, or those up to `through` where that is known."""
    at: datetime | None = slot
    for _ in range(count if through is None else MOST_COUNTED):
        if at is None or (through is not None and at > through):
            return
        yield at
        at = job.schedule.following(at)


def logged_ends(job: Job, message: str, payload: Mapping[str, Any]) -> Iterator[datetime]:
    """The slots whose end a log entry of the service tells of; older entries name no slot."""
    if message not in LOGGED or "slot" not in payload:
        return
    through = payload.get("through")
    yield from passed(
        job,
        instant(payload["slot"]),
        int(payload.get("count", 1)),
        None if through is None else instant(through),
    )


LOGGED = {
    "Job succeeded": "succeeded",
    "Job dead": "dead",
    "Job slots skipped": "skipped",
    "Job slots coalesced": "coalesced",
}


def counters_prove(job: Job) -> bool:
    """Whether as many slots have ended as the schedule had between creation and the one in hand.

    A slot ends once, and the slot in hand only moves on when one ends; so equal numbers leave no
    room for a missing one, however many runs the record has forgotten since.
    """
    if job.schedule.at is not None:
        return False
    ended = sum(job.counts.get(outcome, 0) for outcome in ENDS)
    if ended > MOST_COUNTED:
        return False
    slots = slots_between(job, first_slot(job), job.slot)
    return sum(1 for _ in islice(slots, ended + 1)) == ended


def reach_of(job: Job) -> datetime | None:
    """From which slot on the record is whole; None where it never forgot a run."""
    kept = sum(run.count for run in job.recent)
    if sum(job.counts.values()) == kept or not job.recent:
        return None
    return job.recent[0].slot


def instant(text: object) -> datetime:
    """The instant of an ISO 8601 text, aware, in UTC; a text without a zone means UTC."""
    found = datetime.fromisoformat(str(text))
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _first_from(job: Job, begin: datetime) -> datetime:
    """The first slot at or after `begin`; a period is reckoned from the slot in hand."""
    if job.schedule.every is None:
        found = job.schedule.following(begin - MOMENT)
        assert found is not None  # only a one-off has none
        return found
    period = timedelta(seconds=job.schedule.every)
    return job.slot + -((job.slot - begin) // period) * period


def slot_before(job: Job, moment: datetime) -> datetime | None:
    """The schedule's last slot at or before `moment`; None where there is none."""
    first = first_slot(job)
    if job.schedule.every is not None:
        period = timedelta(seconds=job.schedule.every)
        return job.slot + (moment - job.slot) // period * period
    if moment < first:
        return None
    return job.schedule.latest(first, moment)[0]

"""Whether every slot is accounted for, once: succeeded, dead, skipped or coalesced."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise

from emonk_ops.tick.jobs import Job, Run
from tests.chaos.facts import History
from tests.chaos.violations import Violation

FINAL = ("succeeded", "dead", "skipped", "coalesced")
ENDS = {"succeeded": ("succeeded",), "failed": ("failed", "cancelled")}


def accounts(history: History) -> Iterator[Violation]:
    """The rules about the record. Without `settled` the run goes on, and slots may be open."""
    yield from _only_forward(history)
    yield from _runs_have_executions(history)
    final = history.final
    for job_id, job in history.created.items():
        if history.settled is None:
            continue
        if job_id not in final:
            yield Violation("job lost", job_id, "it is not in the store any more")
        else:
            yield from _slots(history, job, final[job_id], history.settled)


def _slots(history: History, first: Job, last: Job, settled: datetime) -> Iterator[Violation]:
    open_slot = last.schedule.recurs and last.slot <= settled
    if open_slot or (not last.schedule.recurs and last.due_at is not None):
        said = f"slot {last.slot} is still {last.state}, due at {last.due_at}"
        yield Violation("slot not ended", last.id, said)
    expected = list(_between(first, last))
    sure, maybe = _covered(history, last)
    for slot in expected:
        if slot not in sure and slot not in maybe:
            yield Violation("slot lost", last.id, f"nothing is on record of {slot}")
    for slot, runs in sure.items():
        if len(runs) > 1:
            ends = ", ".join(f"{run.outcome} (fence {run.fence})" for run in runs)
            yield Violation("slot ended twice", last.id, f"{slot}: {ends}")
        if slot not in expected and not open_slot and last.schedule.recurs:
            yield Violation("slot unknown", last.id, f"{slot} is none of its slots")
    total = sum(last.counts.get(outcome, 0) for outcome in FINAL)
    if last.due_at is not None or not last.schedule.recurs:
        ended = 0 if not last.schedule.recurs and last.due_at is not None else len(expected)
        if total != ended:
            said = f"{ended} slots passed and {total} are counted: {dict(last.counts)}"
            yield Violation("slots miscounted", last.id, said)


def _between(first: Job, last: Job) -> Iterator[datetime]:
    if not first.schedule.recurs:
        yield first.slot
        return
    slot: datetime | None = first.slot
    while slot is not None and slot < last.slot:
        yield slot
        slot = first.schedule.following(slot)


def _covered(history: History, job: Job) -> tuple[dict[datetime, list[Run]], set[datetime]]:
    """Slots with the runs that certainly ended them, and those that an unclear write may have."""
    sure: dict[datetime, list[Run]] = defaultdict(list)
    maybe: set[datetime] = set()
    for one in history.recorded:
        if one.job_id != job.id or one.run.outcome not in FINAL:
            continue
        slot: datetime | None = one.run.slot
        for _ in range(one.run.count):
            if slot is None:
                break
            if one.sure:
                sure[slot].append(one.run)
            else:
                maybe.add(slot)
            slot = job.schedule.following(slot)
    return sure, maybe


def _only_forward(history: History) -> Iterator[Violation]:
    """Between two looks at a job its fence, its slot and its counts only grow."""
    for job_id, jobs in history.looks.items():
        for before, after in pairwise(jobs):
            lost = {
                outcome: count
                for outcome, count in before.counts.items()
                if after.counts.get(outcome, 0) < count
            }
            if after.fence < before.fence or after.slot < before.slot or lost:
                said = (
                    f"fence {before.fence} then {after.fence}, slot {before.slot} then "
                    f"{after.slot}, counts lost: {lost}"
                )
                yield Violation("record went back", job_id, said)


def _runs_have_executions(history: History) -> Iterator[Violation]:
    """A result on record is that of the execution with its slot and fence."""
    endings = defaultdict(set)
    for run in history.executions:
        endings[run.job_id, run.slot, run.fence].add(run.ending)
    for one in history.recorded:
        expected = ENDS.get(one.run.outcome)
        if expected is None or not one.sure:
            continue
        found = endings[one.job_id, one.run.slot, one.run.fence]
        if not found & set(expected):
            said = f"{one.run.outcome} of fence {one.run.fence}, which ended as {found or 'nobody'}"
            yield Violation("result without its run", one.job_id, said)

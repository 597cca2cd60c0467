from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emonk_ops.errors import ExitCode
from emonk_ops.operations.job_audit import JobAudit, Total, as_data, audit
from emonk_ops.ports import LogEntry
from emonk_ops.tick import settlement
from emonk_ops.tick.jobs import Job, JobState, Lease, Run
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import Runnable, Settled

from .stored_jobs import NOW, job

Kept = list[LogEntry]


def silent(_job: Job) -> Iterable[LogEntry]:
    return ()


def minutes(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


def ran(stored: Job, times: int, outcome: str = "succeeded") -> Job:
    """As many slots in a row, each ended."""
    for _ in range(times):
        held = settlement.claim(stored, Lease("l", "r", stored.slot + timedelta(seconds=300)))
        at = stored.slot + timedelta(seconds=2)
        if outcome == "dead":
            stored = settlement.after_failure(replace(held, attempt=3), at, "Boom: x", 0.0)
        else:
            stored = settlement.after_success(held, at, None)
    return stored


def look(stored: Job, begin: float, end: float, now: float, entries: Any = silent) -> JobAudit:
    return audit(stored, minutes(begin), minutes(end), minutes(now), entries)


def test_each_slot_is_of_one_class_and_future_ones_are_not_counted() -> None:
    stored = ran(ran(job(), 3), 1, "dead")
    found = look(stored, 0, 60, 32)
    assert found.classes == {"succeeded": 3, "dead": 1, "waiting": 2}
    assert (found.slots, found.gaps, found.unknown) == (6, [], None)


def test_the_end_of_the_window_is_excluded_and_nothing_is_expected_before_creation() -> None:
    stored = ran(job(), 3)
    assert look(stored, -600, 10, 60).classes == {"succeeded": 1}
    assert look(stored, 10, 15, 60).classes == {"succeeded": 1}
    assert look(stored, 11, 15, 60).slots == 0


def test_a_slot_without_a_run_is_missing_and_named() -> None:
    stored = ran(job(), 4)
    holed = replace(stored, recent=(stored.recent[0], *stored.recent[2:]), counts={"succeeded": 3})
    found = look(holed, 0, 60, 22)
    assert found.gaps == [minutes(10)]
    total = Total()
    total.include(found)
    assert total.verdict == (ExitCode.CHECK_FAILED, "FAIL: 1 of 4 slots are missing")
    assert as_data(found)["missing"] == ["2026-01-05T12:10:00+00:00"]


def test_an_attempt_that_was_tried_again_ends_no_slot() -> None:
    stored = ran(job(), 2)
    first = replace(stored.recent[0], outcome="failed")
    found = look(replace(stored, recent=(first, stored.recent[1])), 0, 12, 12)
    assert found.gaps == [minutes(5)]


def test_skipped_and_coalesced_runs_account_for_all_their_slots() -> None:
    skip = Run(minutes(5), "skipped", minutes(31), count=5, through=minutes(25), reason="misfire")
    fold = Run(minutes(30), "coalesced", minutes(61), count=6)
    stored = job().with_run(skip).with_run(fold)
    stored = ran(replace(stored, slot=minutes(60), due_at=minutes(60)), 1)
    assert look(stored, 0, 65, 65).classes == {"skipped": 5, "coalesced": 6, "succeeded": 1}


def test_what_the_record_forgot_is_proven_by_the_counters() -> None:
    stored = ran(job(), 50)
    assert len(stored.recent) == 20
    found = look(stored, 0, 250, 252)
    assert found.classes == {"counted": 30, "succeeded": 19}
    total = Total()
    total.include(found)
    assert total.verdict[0] is ExitCode.DONE


def entries_of(stored: Job, slots: Iterable[float], message: str = "Job succeeded") -> Any:
    def told(_job: Job) -> list[LogEntry]:
        return [entry(message, slot=minutes(slot).isoformat()) for slot in slots]

    return told


def entry(message: str, **payload: Any) -> LogEntry:
    return LogEntry(NOW, "i", "stdout", "INFO", message, payload, {}, {}, {})


def test_where_the_counters_do_not_add_up_the_log_is_asked() -> None:
    stored = ran(job(), 50)
    short = replace(stored, counts={"succeeded": 49})
    everything = look(short, 0, 250, 252, entries_of(short, range(5, 155, 5)))
    assert everything.classes == {"succeeded": 49}
    hole = look(short, 0, 250, 252, entries_of(short, [n for n in range(5, 155, 5) if n != 50]))
    assert hole.classes == {"succeeded": 48, "unknown": 1}
    assert hole.unknown == (minutes(50), minutes(50))
    assert "reaches back to 2026-01-05 14:35:00Z" in hole.why_unknown
    total = Total()
    total.include(hole)
    assert total.verdict[0] is ExitCode.INCONCLUSIVE


def test_log_entries_tell_of_several_slots_at_once() -> None:
    stored = replace(ran(job(), 50), counts={"succeeded": 49})

    def told(_job: Job) -> list[LogEntry]:
        first, last = minutes(5).isoformat(), minutes(150).isoformat()
        skipped = entry("Job slots skipped", slot=first, count=100.0, through=last)
        return [entry("Job slots skipped", count=9), entry("Executing job a", slot=first), skipped]

    found = look(stored, 0, 250, 252, told)
    assert found.classes == {"skipped": 30, "succeeded": 19}


def test_the_log_is_not_asked_without_need() -> None:
    def forbidden(_job: Job) -> Iterable[LogEntry]:
        raise AssertionError("the log was asked")

    look(ran(job(), 50), 0, 250, 252, forbidden)
    look(replace(ran(job(), 50), counts={"succeeded": 49}), 200, 250, 252, forbidden)


def test_a_changed_schedule_is_inconclusive_before_its_change_only() -> None:
    old = ran(job(schedule=Schedule(line="*/10 * * * *")), 3)  # 12:10, 12:20, 12:30
    told = Run(old.slot, "rescheduled", minutes(32), count=0)
    changed = replace(
        old, schedule=Schedule(line="*/5 * * * *"), slot=minutes(35), due_at=minutes(35)
    ).with_run(told)
    stored = ran(changed, 2)
    found = look(stored, 0, 45, 45)
    assert found.classes == {"succeeded": 5, "unknown": 3}
    assert found.unknown == (minutes(5), minutes(25))
    assert "schedule was changed" in found.why_unknown


@pytest.mark.parametrize(
    ("stored", "classes"),
    [
        (settlement.cancelled(ran(job(), 1)), {"succeeded": 1, "cancelled": 3}),
        (settlement.paused(ran(job(), 1)), {"succeeded": 1, "waiting": 3}),
        (job(schedule=Schedule.once(minutes(7))), {"waiting": 1}),
        (ran(job(schedule=Schedule.once(minutes(7))), 1), {"succeeded": 1}),
        (job(schedule=Schedule.once(minutes(90))), {}),
        (ran(job(schedule=Schedule(every=420.0)), 2), {"succeeded": 2}),
        (
            replace(job(schedule=Schedule.once(minutes(7))), state=JobState.DEAD, due_at=None),
            {"missing": 1},
        ),
    ],
)
def test_every_kind_of_job(stored: Job, classes: dict[str, int]) -> None:
    assert look(stored, 0, 21, 21).classes == classes


def test_no_slot_at_all_proves_nothing() -> None:
    assert Total().verdict == (ExitCode.INCONCLUSIVE, "INCONCLUSIVE: no slot lies in this window")


POLICIES = st.sampled_from(("run_once", "run_all", "skip"))
SCHEDULES = st.sampled_from(
    (
        Schedule(line="*/5 * * * *"),
        Schedule(line="30 2 * * *", zone="Europe/Berlin"),
        Schedule(every=90.0),
        Schedule(every=1.5),
    )
)


def lived(stored: Job, rng: random.Random, polls: int) -> tuple[Job, datetime]:
    """A life of the job under the service's own decisions: late polls, failures, crashes."""
    now = stored.slot
    for _ in range(polls):
        if stored.due_at is None:
            break
        now = max(now, stored.due_at) + timedelta(seconds=rng.choice((0, 0.5, 40, 400, 90_000)))
        found = settlement.judge(stored, now, ("log",))
        if isinstance(found, Settled):
            stored = found.job
        elif isinstance(found, Runnable):
            stored = settlement.claim(found.job, Lease("l", "r", now + timedelta(seconds=300)))
            match rng.randrange(5):
                case 0:
                    stored = settlement.after_failure(stored, now, "Boom: x", 0.5)
                case 1:
                    stored = settlement.after_release(stored, now, "x", started=True, refund=True)
                case 2 | 3:
                    stored = settlement.after_success(stored, now, None)
    return stored, now


@settings(deadline=None, max_examples=60)
@example(Schedule.from_dict({"every": 1.5}), "run_once", 8433, 12)  # more folded than is counted
@given(SCHEDULES, POLICIES, st.integers(0, 2**32), st.integers(0, 12))
def test_whatever_a_job_lived_through_no_slot_is_missing(
    schedule: Schedule, misfire: str, seed: int, polls: int
) -> None:
    stored, now = lived(job(schedule=schedule, misfire=misfire), random.Random(seed), polls)
    begin = now - timedelta(hours=3)
    found = audit(stored, begin, now + timedelta(seconds=1), now, silent)
    assert found.gaps == []
    assert found.classes["unknown"] == 0


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(2, 19))
def test_a_run_taken_off_the_record_is_always_found(seed: int, runs: int) -> None:
    stored = ran(job(), runs)
    lost = random.Random(seed).randrange(runs - 1)
    recent = stored.recent[:lost] + stored.recent[lost + 1 :]
    holed = replace(stored, recent=recent, counts={"succeeded": runs - 1})
    found = look(holed, 0, 5 * runs + 1, 5 * runs + 1)
    assert found.gaps == [minutes(5 * (lost + 1))]

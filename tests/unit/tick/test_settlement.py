from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.tick import settlement
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import Left, Runnable, Settled
from emonk_ops.tick.testing import EPOCH

KNOWN = ("log",)
MINUTE = timedelta(minutes=1)


def job(**fields: Any) -> Job:
    slot = fields.pop("slot", EPOCH)
    basis = Job(
        "one", "log", Schedule(line="*/5 * * * *"), {}, JobState.SCHEDULED, slot, slot, EPOCH
    )
    return replace(basis, **fields)


def held(until: datetime, **fields: Any) -> Job:
    return settlement.claim(job(**fields), Lease("mine", "a test", until))


def test_a_job_before_its_time_is_left() -> None:
    assert settlement.judge(job(), EPOCH - MINUTE, KNOWN) == Left("not due")


def test_a_live_lease_is_left() -> None:
    found = settlement.judge(held(EPOCH + MINUTE), EPOCH, KNOWN)
    assert found == Left("not due")


def test_an_unknown_type_is_left_as_it_is() -> None:
    assert settlement.judge(job(type="new"), EPOCH, KNOWN) == Left("unknown type")


def test_an_expired_lease_is_runnable_and_counted_as_rescued() -> None:
    found = settlement.judge(held(EPOCH), EPOCH, KNOWN)
    assert isinstance(found, Runnable)
    assert found.rescued


def test_a_job_that_kills_its_process_ends_as_dead() -> None:
    once = job(schedule=Schedule.once(EPOCH), max_attempts=2)
    now, attempts = EPOCH, 0
    while isinstance(found := settlement.judge(once, now, KNOWN), Runnable):
        once = settlement.claim(found.job, Lease(str(attempts), "a test", now + MINUTE))
        now += MINUTE
        attempts += 1
    assert attempts == 2
    assert isinstance(found, Settled)
    assert (found.reason, found.job.state, found.job.due_at) == ("dead", JobState.DEAD, None)
    assert "lease expired" in found.job.recent[-1].reason


def test_a_paused_job_whose_holder_vanished_becomes_paused() -> None:
    found = settlement.judge(settlement.paused(held(EPOCH)), EPOCH, KNOWN)
    assert isinstance(found, Settled)
    assert (found.job.state, found.job.due_at, found.job.lease) == (JobState.PAUSED, None, None)


def test_the_backoff_doubles_up_to_an_hour_and_jitter_adds_a_tenth_at_most() -> None:
    waits = []
    for attempt in range(1, 12):
        failed = settlement.after_failure(
            held(EPOCH, attempt=attempt - 1, max_attempts=20), EPOCH, "why", 0.0
        )
        assert failed.due_at is not None
        waits.append((failed.due_at - EPOCH).total_seconds())
    assert waits[:4] == [30, 60, 120, 240]
    assert waits[-1] == 3600
    most = settlement.after_failure(held(EPOCH), EPOCH, "why", 1.0)
    assert most.due_at == EPOCH + timedelta(seconds=33)


def test_a_release_before_the_start_gives_the_attempt_back() -> None:
    taken = held(EPOCH + MINUTE)
    back = settlement.after_release(taken, EPOCH, "shutdown", started=False, refund=True)
    assert (back.attempt, back.fence, back.due_at, back.lease) == (0, 1, EPOCH, None)
    begun = settlement.after_release(taken, EPOCH, "cancelled", started=True, refund=False)
    assert (begun.attempt, begun.recent[-1].outcome) == (1, "released")


def test_the_next_slot_is_reckoned_from_the_slot_and_not_from_now() -> None:
    late = settlement.after_success(held(EPOCH), EPOCH + 12 * MINUTE, None)
    assert late.slot == late.due_at == EPOCH + 5 * MINUTE


def test_effects_belong_to_their_slot() -> None:
    done = settlement.after_success(held(EPOCH, effects={"post": 1}), EPOCH, None)
    assert done.effects == {}
    again = settlement.after_failure(held(EPOCH, effects={"post": 1}), EPOCH, "why", 0)
    assert again.effects == {"post": 1}


@pytest.mark.parametrize("policy", ["run_once", "run_all", "skip"])
@settings(deadline=None)
@given(late=st.integers(0, 60 * 24), most=st.integers(1, 60))
def test_every_slot_is_accounted_for_once_whatever_the_policy(
    policy: str, late: int, most: int
) -> None:
    now = EPOCH + late * MINUTE
    one = job(misfire=policy, max_catchup=most)
    found = settlement.judge(one, now, KNOWN)
    while not isinstance(found, Left):
        if isinstance(found, Runnable):
            claimed = settlement.claim(found.job, Lease("x", "a test", now + MINUTE))
            one = settlement.after_success(claimed, now, None)
        else:
            one = found.job
        found = settlement.judge(one, now, KNOWN)
    expected = late // 5 + 1
    assert sum(one.counts.values()) == expected
    assert one.slot == EPOCH + 5 * expected * MINUTE
    if policy == "run_all":
        assert one.counts["succeeded"] == min(expected, most)
        assert one.counts.get("skipped", 0) == max(0, expected - most)


@pytest.mark.parametrize("policy", ["run_once", "run_all", "skip"])
@pytest.mark.parametrize("schedule", [{"cron": "*/5 * * * *"}, {"every": 300}])
def test_what_is_passed_over_says_from_where_to_where_and_why(
    policy: str, schedule: dict[str, Any]
) -> None:
    one = job(misfire=policy, max_catchup=2, schedule=Schedule.from_dict(schedule))
    now = EPOCH + 30 * MINUTE
    found = settlement.judge(one, now, KNOWN)
    assert isinstance(found, Runnable | Settled)
    (record,) = found.job.recent
    last = {"run_once": 25, "run_all": 20, "skip": 25}[policy]
    assert (record.slot, record.through) == (EPOCH, EPOCH + last * MINUTE)
    assert record.count == last // 5 + 1
    assert record.outcome == {"run_once": "coalesced"}.get(policy, "skipped")
    assert record.reason.startswith("misfire")
    assert found.job.slot == EPOCH + (last + 5) * MINUTE


def test_a_week_of_missed_minutes_is_caught_up_within_bounds() -> None:
    one = job(misfire="run_all", schedule=Schedule(line="* * * * *"))
    found = settlement.judge(one, EPOCH + timedelta(days=6), KNOWN)
    assert isinstance(found, Runnable)
    assert found.skipped == found.job.counts["skipped"] == 6 * 1440 + 1 - 100
    assert found.job.slot == EPOCH + timedelta(days=6) - 99 * MINUTE

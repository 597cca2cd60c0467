from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.tick import settlement
from emonk_ops.tick.carrying import export_jobs, import_jobs
from emonk_ops.tick.driver import Path, Seat
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.logs import Log
from emonk_ops.tick.merging import merge
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock

MINUTE = timedelta(minutes=1)
STEPS = ("claim", "succeed", "fail", "cancel")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def job(**fields: Any) -> Job:
    line = Schedule(line="*/5 * * * *")
    return replace(Job("one", "note", line, {}, JobState.SCHEDULED, EPOCH, EPOCH, EPOCH), **fields)


def taken(one: Job, lease_id: str, until: datetime) -> Job:
    return settlement.claim(one, Lease(lease_id, "a test", until))


def done(one: Job) -> Job:
    return settlement.after_success(taken(one, "x", EPOCH + MINUTE), EPOCH, None)


def test_the_later_slot_stays_under_the_larger_fence() -> None:
    ahead, behind = done(done(job())), replace(done(job()), fence=7)
    kept = merge(behind, ahead, EPOCH)
    assert (kept.kept, kept.job) == (True, replace(ahead, fence=7))
    arrived = merge(ahead, behind, EPOCH)
    assert (arrived.kept, arrived.job) == (False, replace(ahead, fence=7))


def test_a_stored_job_that_never_ran_gives_way_to_an_earlier_slot() -> None:
    waiting = job(slot=EPOCH + 10 * MINUTE, due_at=EPOCH + 10 * MINUTE)
    assert merge(job(), waiting, EPOCH).job == job()


@pytest.mark.parametrize("finish", [done, settlement.cancelled])
def test_a_one_off_job_finished_on_either_side_stays_finished(finish: Any) -> None:
    once = job(schedule=Schedule.once(EPOCH))
    ended, open_ = finish(once), taken(replace(once, fence=3), "x", EPOCH + MINUTE)
    for carried, stored in ((ended, open_), (open_, ended)):
        merged = merge(carried, stored, EPOCH).job
        assert (merged.state, merged.due_at, merged.lease) == (ended.state, None, None)
        assert merged.fence == 4


def test_at_one_slot_a_live_lease_wins_over_a_higher_fence() -> None:
    held = taken(job(), "mine", EPOCH + MINUTE)
    failed = replace(held, fence=9, lease=None, state=JobState.SCHEDULED)
    for carried, stored in ((held, failed), (failed, held)):
        assert merge(carried, stored, EPOCH).job == replace(held, fence=9)
        assert merge(carried, stored, EPOCH + MINUTE).job.lease is None


def test_effects_that_either_side_began_at_the_slot_are_not_begun_again() -> None:
    one = job(fence=1, effects={"post": 1})
    other = job(fence=2, effects={"mail": 2})
    assert merge(one, other, EPOCH).job.effects == {"post": 1, "mail": 2}
    assert merge(one, done(other), EPOCH).job.effects == {}


def lived(steps: list[str], fence: int) -> Job:
    """A job after `steps`, each at its due time; a step that cannot be is left out."""
    one = job(fence=fence)
    for number, step in enumerate(steps):
        if step == "claim" and one.lease is None and one.due_at is not None:
            one = taken(one, f"{fence}.{number}", one.due_at + MINUTE)
        elif step == "succeed" and one.lease is not None:
            one = settlement.after_success(one, one.slot, None)
        elif step == "fail" and one.lease is not None:
            one = settlement.after_failure(one, one.slot, "why", 0)
        elif step == "cancel":
            one = settlement.cancelled(one)
    return one


LIVES = st.builds(lived, st.lists(st.sampled_from(STEPS), max_size=12), st.integers(0, 3))


@settings(deadline=None)
@given(LIVES, LIVES, st.integers(0, 60))
def test_a_merge_repeats_no_finished_slot_and_to_merge_again_changes_nothing(
    carried: Job, stored: Job, minutes: int
) -> None:
    now = EPOCH + minutes * MINUTE
    merged = merge(carried, stored, now).job
    assert merged.fence == max(carried.fence, stored.fence)
    assert merged.ordinal == max(carried.ordinal, stored.ordinal)
    ran = {run.slot for side in (carried, stored) for run in side.recent if _ended(run.outcome)}
    assert merged.finished or merged.slot not in ran
    assert merged.finished == (carried.finished or stored.finished)
    assert merge(carried, merged, now).job == merged


def _ended(outcome: str) -> bool:
    return outcome in ("succeeded", "dead")


class Revisions:
    """Two revisions with a store each, one clock, and the keys of what they ran."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.keys: list[str] = []

    async def revision(self, name: str, standby: float) -> CronScheduler:
        registry = HandlerRegistry()

        @registry.handler("note")
        async def note(context: HandlerContext) -> None:
            self.keys.append(context.idempotency_key)

        registry.declare("steady", type="note", schedule={"cron": "*/5 * * * *", "tz": "UTC"})
        scheduler = CronScheduler(
            MemoryStorage(self.clock),
            clock=self.clock,
            log=Log(self.clock, lambda _line: None),
            registry=registry,
            rng=random.Random(1),
            seat=Seat(name, loop=True, standby_seconds=standby),
        )
        await scheduler.engine.driver.begin()
        return scheduler

    async def run(self, scheduler: CronScheduler, ticks: int) -> None:
        for _ in range(ticks):
            await self.clock.advance(300)
            await scheduler.run_tick(Path.LOOP)


@pytest.mark.anyio
async def test_a_late_import_repeats_no_slot_that_the_new_revision_ran_by_itself() -> None:
    world = Revisions()
    old = await world.revision("a", 0)
    await world.run(old, 4)
    await world.clock.advance(60)
    await old.engine.driver.quiesce()
    document = await export_jobs(old.engine.storage)
    new = await world.revision("b", 60)
    await world.run(new, 2)
    first = await import_jobs(new.engine.storage, document)
    again = await import_jobs(new.engine.storage, document)
    assert first == again
    assert (first["kept_newer"], first["imported"], first["unchanged"]) == (1, 0, 0)
    assert (await new.job("steady")).fence == 4
    await new.engine.driver.activate("legacy", 1, at_least=3)
    await world.run(new, 1)
    assert len(world.keys) == len(set(world.keys)) == 7
    assert (await new.job("steady")).fence == 5

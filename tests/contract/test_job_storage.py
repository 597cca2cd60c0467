"""What every job storage has to do, on each implementation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from emonk_ops.tick.jobs import Job, JobState, Lease, Run
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import after_release, claim
from emonk_ops.tick.storage import DriverRecord, DueAfter, JobStorage, Stored, Verdict, Write

pytestmark = pytest.mark.anyio


class StoreTime(Protocol):
    async def reach(self, when: datetime) -> None: ...


def job_due(now: datetime, job_id: str = "one", seconds: float = 0) -> Job:
    slot = now + timedelta(seconds=seconds)
    return Job(
        id=job_id,
        type="log",
        schedule=Schedule.once(slot),
        payload={"a": [1, "ü"]},
        state=JobState.SCHEDULED,
        slot=slot,
        due_at=slot,
        created_at=now,
    )


async def stored(storage: JobStorage, job: Job) -> Stored:
    (outcome,) = await storage.write([Write(job, None)])
    assert outcome.verdict is Verdict.OK
    return Stored(job, outcome.version)


def leased(job: Job, lease_id: str, seconds: float = 300) -> Job:
    return claim(job, Lease(lease_id, "a test", job.slot + timedelta(seconds=seconds)))


async def test_a_job_comes_back_as_it_was_written(storage: JobStorage, now: datetime) -> None:
    written = await stored(storage, job_due(now))
    assert await storage.get(["one", "none"]) == (written, None)


async def test_an_existing_job_is_not_created_again(storage: JobStorage, now: datetime) -> None:
    await stored(storage, job_due(now))
    (outcome,) = await storage.write([Write(replace(job_due(now), type="other"), None)])
    assert outcome.verdict is Verdict.CONFLICT
    (held,) = await storage.get(["one"])
    assert held is not None
    assert held.job.type == "log"


async def test_each_write_of_a_batch_wins_or_loses_by_itself(
    storage: JobStorage, now: datetime
) -> None:
    one = await stored(storage, job_due(now, "one"))
    two = await stored(storage, job_due(now, "two"))
    await storage.write([Write(leased(one.job, "first"), one.version)])
    outcomes = await storage.write(
        [Write(leased(one.job, "second"), one.version), Write(leased(two.job, "x"), two.version)]
    )
    assert [outcome.verdict for outcome in outcomes] == [Verdict.CONFLICT, Verdict.OK]
    (held, _) = await storage.get(["one", "two"])
    assert held is not None
    assert held.job.lease is not None
    assert held.job.lease.id == "first"


async def test_of_two_claims_of_one_job_in_one_batch_only_the_first_wins(
    storage: JobStorage, now: datetime
) -> None:
    one = await stored(storage, job_due(now))
    outcomes = await storage.write(
        [Write(leased(one.job, "a"), one.version), Write(leased(one.job, "b"), one.version)]
    )
    assert [outcome.verdict for outcome in outcomes] == [Verdict.OK, Verdict.CONFLICT]


async def test_of_concurrent_claims_exactly_one_wins(storage: JobStorage, now: datetime) -> None:
    one = await stored(storage, job_due(now))
    claims = [storage.write([Write(leased(one.job, str(n)), one.version)]) for n in range(20)]
    outcomes = [outcome for (outcome,) in await asyncio.gather(*claims)]
    assert sum(outcome.verdict is Verdict.OK for outcome in outcomes) == 1


async def test_a_poll_gives_due_jobs_by_due_time_and_no_others(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    for job_id, seconds in (("late", -60), ("now", 0), ("soon", 60), ("later", -120)):
        await stored(storage, job_due(now, job_id, seconds))
    # What the store's clock is taken to be may be ahead of it by as long as a read takes.
    await time.reach(now)
    page = await storage.read_due(10)
    assert [one.job.id for one in page.jobs] == ["later", "late", "now"]
    assert now <= page.read_time <= await storage.clock()


async def test_a_poll_can_go_on_behind_what_it_gave(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    for number in range(5):
        await stored(storage, job_due(now, f"job{number}", -number // 2))
    await time.reach(now)
    first = await storage.read_due(3)
    last = first.jobs[-1].job
    assert last.due_at is not None
    second = await storage.read_due(3, DueAfter(last.due_at, last.id))
    found = [one.job.id for one in (*first.jobs, *second.jobs)]
    assert sorted(found) == [f"job{number}" for number in range(5)]


async def test_a_claimed_job_is_due_again_when_its_lease_ends(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    one = await stored(storage, job_due(now))
    await storage.write([Write(leased(one.job, "a", seconds=3), one.version)])
    assert (await storage.read_due(10)).jobs == ()
    assert await storage.count_leases() == 1
    await time.reach(now + timedelta(seconds=3))
    assert [due.job.id for due in (await storage.read_due(10)).jobs] == ["one"]
    assert await storage.count_leases() == 0


async def test_a_finished_job_is_never_due(storage: JobStorage, now: datetime) -> None:
    one = await stored(storage, job_due(now, seconds=-60))
    done = replace(one.job, due_at=None, state=JobState.SUCCEEDED)
    await storage.write([Write(done, one.version)])
    assert (await storage.read_due(10)).jobs == ()


async def test_a_lease_that_was_given_back_is_not_counted(
    storage: JobStorage, now: datetime
) -> None:
    one = await stored(storage, job_due(now))
    held = leased(one.job, "a")
    (claimed,) = await storage.write([Write(held, one.version)])
    free = after_release(held, now, "shutdown", started=False, refund=True)
    await storage.write([Write(free, claimed.version)])
    assert await storage.count_leases() == 0


async def test_every_part_of_a_job_is_kept(storage: JobStorage, now: datetime) -> None:
    run = Run(now, "failed", now, 3, 1, "é", {"n": 1.5, "deep": [{"x": None}]}, 2, now)
    full = replace(
        leased(job_due(now), "a"),
        schedule=Schedule.from_dict({"cron": "*/5 * * * *", "tz": "Europe/Berlin"}),
        paused=True,
        declared=True,
        max_attempts=7,
        backoff_seconds=1.5,
        timeout_seconds=12.0,
        misfire="run_all",
        grace_seconds=0.0,
        max_catchup=3,
        concurrency_key="a/b ü",
        effects={"mail": 3},
        counts={"failed": 2},
        recent=(run, run),
    )
    await stored(storage, full)
    (held,) = await storage.get([full.id])
    assert held is not None
    assert held.job == full


async def test_a_write_that_expects_an_outdated_version_is_lost(
    storage: JobStorage, now: datetime
) -> None:
    one = await stored(storage, job_due(now))
    (first,) = await storage.write([Write(leased(one.job, "a"), one.version)])
    (second,) = await storage.write([Write(leased(one.job, "b"), one.version)])
    gone = Write(job_due(now, "gone"), one.version)
    assert first.verdict is Verdict.OK
    assert first.version != one.version
    assert second.verdict is Verdict.CONFLICT
    assert (await storage.write([gone]))[0].verdict is Verdict.CONFLICT
    assert await storage.write([]) == ()


async def test_a_batch_may_be_larger_than_a_store_takes_at_once(
    storage: JobStorage, now: datetime
) -> None:
    jobs = [job_due(now, f"job{number:04d}", -number) for number in range(700)]
    outcomes = await storage.write([Write(job, None) for job in jobs])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.OK}
    page = await storage.read_due(1000)
    assert [one.job.id for one in page.jobs] == [job.id for job in reversed(jobs)]
    read = await storage.get([job.id for job in jobs])
    assert [one.job for one in read if one is not None] == jobs


async def test_jobs_are_listed_by_id_in_pages(storage: JobStorage, now: datetime) -> None:
    for job_id in ("b", "a", "c"):
        await stored(storage, job_due(now, job_id))
    assert [one.job.id for one in await storage.list_jobs(2)] == ["a", "b"]
    assert [one.job.id for one in await storage.list_jobs(2, after="b")] == ["c"]


async def test_only_the_version_that_was_read_is_removed(
    storage: JobStorage, now: datetime
) -> None:
    one = await stored(storage, job_due(now))
    (outcome,) = await storage.write([Write(leased(one.job, "a"), one.version)])
    assert not await storage.remove(one)
    assert await storage.remove(Stored(one.job, outcome.version))
    assert await storage.get(["one"]) == (None,)
    assert (await storage.read_due(10)).jobs == ()


async def test_the_driver_changes_only_from_the_expected_epoch(storage: JobStorage) -> None:
    assert await storage.driver() is None
    first = DriverRecord("legacy", 1, "r1")
    assert await storage.set_driver(first, 0)
    assert not await storage.set_driver(DriverRecord("cloud", 1, "r2"), 0)
    assert await storage.driver() == first
    assert await storage.set_driver(DriverRecord("cloud", 2, "r2"), 1)


async def test_what_a_poll_costs_does_not_grow_with_what_is_stored(
    storage: JobStorage, now: datetime
) -> None:
    await storage.write([Write(job_due(now, f"f{n}", 3600), None) for n in range(1000)])
    await stored(storage, job_due(now, "due", -1))
    page = await storage.read_due(100)
    assert [one.job.id for one in page.jobs] == ["due"]

"""What every job storage has to do, on each implementation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.storage import DriverRecord, DueAfter, JobStorage, Stored, Verdict, Write
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "json"])
async def storage(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[JobStorage]:
    store: JobStorage
    if request.param == "memory":
        store = MemoryStorage(clock)
    else:
        store = JsonFileStorage(tmp_path / "jobs.jsonl", clock)
    await store.open()
    yield store
    await store.close()


def job_due(clock: ManualClock, job_id: str = "one", seconds: float = 0) -> Job:
    slot = clock.now() + timedelta(seconds=seconds)
    return Job(
        id=job_id,
        type="log",
        schedule=Schedule.once(slot),
        payload={"a": [1, "ü"]},
        state=JobState.SCHEDULED,
        slot=slot,
        due_at=slot,
        created_at=clock.now(),
    )


async def stored(storage: JobStorage, job: Job) -> Stored:
    (outcome,) = await storage.write([Write(job, None)])
    assert outcome.verdict is Verdict.OK
    return Stored(job, outcome.version)


def leased(job: Job, lease_id: str, seconds: float = 300) -> Job:
    return claim(job, Lease(lease_id, "a test", job.slot + timedelta(seconds=seconds)))


async def test_a_job_comes_back_as_it_was_written(storage: JobStorage, clock: ManualClock) -> None:
    written = await stored(storage, job_due(clock))
    assert await storage.get(["one", "none"]) == (written, None)


async def test_an_existing_job_is_not_created_again(
    storage: JobStorage, clock: ManualClock
) -> None:
    await stored(storage, job_due(clock))
    (outcome,) = await storage.write([Write(replace(job_due(clock), type="other"), None)])
    assert outcome.verdict is Verdict.CONFLICT
    (held,) = await storage.get(["one"])
    assert held is not None
    assert held.job.type == "log"


async def test_each_write_of_a_batch_wins_or_loses_by_itself(
    storage: JobStorage, clock: ManualClock
) -> None:
    one = await stored(storage, job_due(clock, "one"))
    two = await stored(storage, job_due(clock, "two"))
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
    storage: JobStorage, clock: ManualClock
) -> None:
    one = await stored(storage, job_due(clock))
    outcomes = await storage.write(
        [Write(leased(one.job, "a"), one.version), Write(leased(one.job, "b"), one.version)]
    )
    assert [outcome.verdict for outcome in outcomes] == [Verdict.OK, Verdict.CONFLICT]


async def test_of_concurrent_claims_exactly_one_wins(
    storage: JobStorage, clock: ManualClock
) -> None:
    one = await stored(storage, job_due(clock))
    claims = [storage.write([Write(leased(one.job, str(n)), one.version)]) for n in range(20)]
    outcomes = [outcome for (outcome,) in await asyncio.gather(*claims)]
    assert sum(outcome.verdict is Verdict.OK for outcome in outcomes) == 1


async def test_a_poll_gives_due_jobs_by_due_time_and_no_others(
    storage: JobStorage, clock: ManualClock
) -> None:
    for job_id, seconds in (("late", -60), ("now", 0), ("soon", 1), ("later", -120)):
        await stored(storage, job_due(clock, job_id, seconds))
    page = await storage.read_due(10)
    assert [one.job.id for one in page.jobs] == ["later", "late", "now"]
    assert page.read_time == clock.now() == await storage.clock()


async def test_a_poll_can_go_on_behind_what_it_gave(
    storage: JobStorage, clock: ManualClock
) -> None:
    for number in range(5):
        await stored(storage, job_due(clock, f"job{number}", -number // 2))
    first = await storage.read_due(3)
    last = first.jobs[-1].job
    assert last.due_at is not None
    second = await storage.read_due(3, DueAfter(last.due_at, last.id))
    found = [one.job.id for one in (*first.jobs, *second.jobs)]
    assert sorted(found) == [f"job{number}" for number in range(5)]


async def test_a_claimed_job_is_due_again_when_its_lease_ends(
    storage: JobStorage, clock: ManualClock
) -> None:
    one = await stored(storage, job_due(clock))
    await storage.write([Write(leased(one.job, "a", seconds=300), one.version)])
    assert (await storage.read_due(10)).jobs == ()
    assert await storage.count_leases() == 1
    await clock.advance(299)
    assert (await storage.read_due(10)).jobs == ()
    await clock.advance(1)
    assert [due.job.id for due in (await storage.read_due(10)).jobs] == ["one"]
    assert await storage.count_leases() == 0


async def test_a_finished_job_is_never_due(storage: JobStorage, clock: ManualClock) -> None:
    one = await stored(storage, job_due(clock))
    done = replace(one.job, due_at=None, state=JobState.SUCCEEDED)
    await storage.write([Write(done, one.version)])
    await clock.advance(10**8)
    assert (await storage.read_due(10)).jobs == ()


async def test_jobs_are_listed_by_id_in_pages(storage: JobStorage, clock: ManualClock) -> None:
    for job_id in ("b", "a", "c"):
        await stored(storage, job_due(clock, job_id))
    assert [one.job.id for one in await storage.list_jobs(2)] == ["a", "b"]
    assert [one.job.id for one in await storage.list_jobs(2, after="b")] == ["c"]


async def test_only_the_version_that_was_read_is_removed(
    storage: JobStorage, clock: ManualClock
) -> None:
    one = await stored(storage, job_due(clock))
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
    storage: JobStorage, clock: ManualClock
) -> None:
    await storage.write([Write(job_due(clock, f"f{n}", 3600), None) for n in range(3000)])
    await stored(storage, job_due(clock, "due", -1))
    page = await storage.read_due(100)
    assert [one.job.id for one in page.jobs] == ["due"]

"""What a tick asks of a local store: it grows with what is due, never with what is stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import JobStorage, Verdict, Write
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
DUE = 100
Make = Callable[[Path, ManualClock], JobStorage]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def in_memory(_folder: Path, clock: ManualClock) -> JobStorage:
    return MemoryStorage(clock)


def in_a_file(folder: Path, clock: ManualClock) -> JobStorage:
    return JsonFileStorage(folder / "jobs.jsonl", clock)


@pytest.fixture(params=[in_memory, in_a_file])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JobStorage]:
    make: Make = request.param
    store = make(tmp_path, ManualClock())
    await store.open()
    yield store
    await store.close()


async def store_jobs(storage: JobStorage, name: str, count: int, seconds: float) -> None:
    now = await storage.clock()
    at = now + timedelta(seconds=seconds)
    jobs = [
        Job(
            id=f"{name}-{number}",
            type="nothing",
            schedule=Schedule.once(at),
            payload={},
            state=JobState.SCHEDULED,
            slot=at,
            due_at=at,
            created_at=now,
        )
        for number in range(count)
    ]
    outcomes = await storage.write([Write(job, None) for job in jobs])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.OK}


async def tick(storage: JobStorage) -> TickReport:
    registry = HandlerRegistry()

    @registry.handler("nothing")
    async def nothing(_context: HandlerContext) -> None:
        return

    clock = ManualClock()
    scheduler = CronScheduler(
        storage,
        clock=clock,
        log=Log(clock, lambda line: None),
        registry=registry,
        limits=Limits(concurrency=DUE),
    )
    await scheduler.engine.driver.begin()
    return await scheduler.run_tick()


async def test_a_round_over_a_hundred_due_jobs_costs_the_same_whatever_is_stored(
    storage: JobStorage,
) -> None:
    costs = []
    for size, stored in enumerate((10, 5_000)):
        await store_jobs(storage, f"later-{size}", stored, 3600)
        await store_jobs(storage, f"due-{size}", DUE, -1)
        report = await tick(storage)
        assert report.jobs_succeeded == DUE
        costs.append((report.storage_ops, report.storage_reads, report.storage_writes))
    # One poll, one claim and one commit.
    assert costs == [(3, DUE, 2 * DUE)] * 2

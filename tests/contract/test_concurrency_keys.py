"""Jobs of one concurrency key never run at the same time, on any storage."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, Protocol

import pytest

from emonk_ops.tick.carrying import export_jobs, import_jobs
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.storage import JobStorage, Lock, Verdict, Write
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio


class StoreTime(Protocol):
    async def reach(self, when: datetime) -> None: ...


class Crew:
    """Instances of a service on one storage, and how many jobs of each key run at once."""

    def __init__(self, storage: JobStorage, size: int = 1, **limits: Any) -> None:
        self.storage = storage
        self.runs: list[str] = []
        self.most: Counter[str] = Counter()
        self.at_once: Counter[str] = Counter()
        self.fail = False
        self._ids = random.Random(1)
        registry = HandlerRegistry()
        registry.handler("work")(self._work)
        self.members = [self._member(registry, number, limits) for number in range(size)]

    def _member(
        self, registry: HandlerRegistry, number: int, limits: dict[str, Any]
    ) -> CronScheduler:
        clock = SystemClock()
        return CronScheduler(
            self.storage,
            clock=clock,
            log=Log(clock, lambda _line: None),
            registry=registry,
            limits=Limits(**{"concurrency": 5, "page": 4, **limits}),
            rng=random.Random(number),
            instance=f"member{number}",
        )

    async def start(self) -> Crew:
        for member in self.members:
            await member.engine.driver.begin()
        return self

    async def job(self, key: str | None, job_id: str = "", late: float = 1, **options: Any) -> Job:
        at = await self.storage.clock() - timedelta(seconds=late)
        return await self.members[0].schedule_job(
            job_type="work",
            schedule_at=at,
            payload={"key": key or ""},
            job_id=job_id or f"job{self._ids.getrandbits(40)}",
            concurrency_key=key,
            **options,
        )

    async def tick(self) -> TickReport:
        return await self.members[0].run_tick()

    async def tick_together(self) -> list[TickReport]:
        return await asyncio.gather(*(member.run_tick() for member in self.members))

    async def _work(self, context: HandlerContext) -> None:
        key = context.payload["key"]
        self.at_once[key] += 1
        self.most[key] = max(self.most[key], self.at_once[key])
        await asyncio.sleep(0.005)
        self.at_once[key] -= 1
        self.runs.append(context.job_id)
        if self.fail:
            raise ValueError("no luck")


WATCHED: Counter[str] = Counter()


async def _most_live_leases(storage: JobStorage) -> None:
    """Look at the store, again and again, as one who knows nothing of the instances."""
    WATCHED.clear()
    while True:
        jobs = [stored.job for stored in await storage.list_jobs(100)]
        live = Counter(job.concurrency_key or "" for job in jobs if job.lease is not None)
        for key, count in live.items():
            WATCHED[key] = max(WATCHED[key], count)
        await asyncio.sleep(0)


async def test_jobs_of_a_key_run_one_after_the_other_in_one_tick(storage: JobStorage) -> None:
    crew = await Crew(storage).start()
    for number in range(9):
        await crew.job("k", late=20 - number)
    for _ in range(3):
        await crew.job(None)
    report = await crew.tick()
    assert (report.jobs_succeeded, report.key_busy, report.more_due) == (12, 0, False)
    assert crew.most["k"] == 1
    assert crew.most[""] == 3
    assert await storage.count_leases() == 0


async def test_instances_that_tick_together_never_run_two_jobs_of_a_key(
    storage: JobStorage,
) -> None:
    crew = await Crew(storage, size=3).start()
    for number in range(12):
        await crew.job("ab"[number % 2])
        await crew.job(None)
    watch = asyncio.create_task(_most_live_leases(storage))
    ticks = 0
    while len(crew.runs) < 24:
        await crew.tick_together()
        ticks += 1
        assert ticks < 24, crew.runs
    watch.cancel()
    await asyncio.wait([watch])
    assert watch.cancelled()
    assert WATCHED["a"] == WATCHED["b"] == 1
    assert len(set(crew.runs)) == 24
    assert (crew.most["a"], crew.most["b"]) == (1, 1)


async def test_polls_page_past_jobs_whose_key_is_busy(storage: JobStorage) -> None:
    crew = await Crew(storage).start()
    for number in range(11):
        await crew.job("held", job_id=f"held{number:02d}", late=100)
    await crew.job("free")
    await crew.job(None)
    until = await storage.clock() + timedelta(minutes=5)
    await storage.lock([Lock("held", "somebody", until)])
    report = await crew.tick()
    assert (report.jobs_succeeded, report.key_busy, report.jobs_checked) == (2, 11, 13)
    (untouched,) = await storage.get(["held00"])
    assert untouched is not None
    assert (untouched.job.attempt, untouched.job.fence) == (0, 0)


async def test_the_key_of_a_crashed_instance_is_free_when_its_lease_ends(
    storage: JobStorage, time: StoreTime
) -> None:
    crew = await Crew(storage).start()
    crashed = await crew.job("k", job_id="crashed")
    await crew.job("k", job_id="other")
    until = await storage.clock() + timedelta(seconds=2)
    await storage.lock([Lock("k", "dead", until)])
    (read, _) = await storage.get(["crashed", "other"])
    assert read is not None
    (taken,) = await storage.write(
        [Write(claim(crashed, Lease("dead", "a crash", until)), read.version)]
    )
    assert taken.verdict is Verdict.OK
    busy = await crew.tick()
    assert (busy.jobs_executed, busy.key_busy) == (0, 1)
    await time.reach(until)
    report = await crew.tick()
    assert (report.jobs_succeeded, report.rescued) == (2, 1)
    assert crew.most["k"] == 1


async def test_a_failed_run_gives_its_key_back(storage: JobStorage) -> None:
    crew = await Crew(storage).start()
    crew.fail = True
    for job_id in ("one", "two"):
        await crew.job("k", job_id=job_id, max_attempts=1)
    assert (await crew.tick()).dead == 2
    (lock,) = await storage.lock([Lock("k", "next", await storage.clock() + timedelta(minutes=1))])
    assert lock is not None


async def test_a_key_costs_two_writes_and_no_read_and_none_costs_nothing(
    storage: JobStorage,
) -> None:
    crew = await Crew(storage, page=50).start()
    await crew.job(None)
    plain = await crew.tick()
    await crew.job("k")
    keyed = await crew.tick()
    assert keyed.storage_writes - plain.storage_writes == 2
    assert keyed.storage_reads == plain.storage_reads
    assert keyed.storage_ops - plain.storage_ops == 2


async def test_a_carried_live_lease_brings_its_key_along(storage: JobStorage) -> None:
    crew = await Crew(storage).start()
    job = await crew.job("k", job_id="carried")
    (read,) = await storage.get(["carried"])
    assert read is not None
    until = await storage.clock() + timedelta(minutes=5)
    held = claim(job, Lease("elsewhere", "a test", until))
    (outcome,) = await storage.write([Write(held, read.version)])
    document = await export_jobs(storage)
    (read,) = await storage.get(["carried"])
    assert read is not None
    assert await storage.remove(read)
    assert outcome.verdict is Verdict.OK
    await import_jobs(storage, document)
    await crew.job("k", job_id="other")
    report = await crew.tick()
    assert (report.jobs_executed, report.key_busy) == (0, 1)
    (found,) = await storage.get(["carried"])
    assert found is not None
    assert (found.job.state, found.job.concurrency_key) == (JobState.LEASED, "k")

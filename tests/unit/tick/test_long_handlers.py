"""Long handlers: their leases are renewed, and whoever lost one is stopped."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import Lock, Outcome, Verdict, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
LEASE, TIMEOUT = 60.0, 44.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Unsteady(MemoryStorage):
    """Can be down, lose an answer, or take its time over a write."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.clock_of_writes = clock
        self.down = False
        self.lose = 0
        self.write_seconds = 0.0

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if self.down:
            raise StorageError("it is down", code="UNAVAILABLE", transient=True)
        if self.write_seconds:
            ready = self.clock_of_writes.now() + timedelta(seconds=self.write_seconds)
            await self.clock_of_writes.sleep_until(ready)
        outcomes = await super().write(batch)
        if self.lose > 0:
            self.lose -= 1
            return tuple(Outcome(Verdict.UNCLEAR, code="ABORTED") for _ in batch)
        return outcomes


class Bench:
    """A scheduler whose handlers may take most of a lease."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage = Unsteady(self.clock)
        self.lines: list[str] = []
        self.cancelled: list[str] = []
        self.runs: list[HandlerContext] = []
        registry = HandlerRegistry()
        registry.handler("long")(self._long)
        registry.handler("stubborn")(self._stubborn)
        self.scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=Log(self.clock, self.lines.append),
            registry=registry,
            limits=Limits(
                lease_seconds=LEASE, handler_timeout_seconds=TIMEOUT, tick_budget_seconds=20
            ),
            rng=random.Random(1),
        )

    async def begin(self, **options: Any) -> tuple[str, asyncio.Task[TickReport]]:
        await self.scheduler.engine.driver.begin()
        job = await self.scheduler.schedule_job(
            **{"job_type": "long", "schedule_at": self.clock.now(), **options}
        )
        task = self.clock.start(self.scheduler.run_tick())
        await self.clock.advance(0)
        return job.id, task

    async def read(self, job_id: str) -> Job:
        return await self.scheduler.job(job_id)

    async def seconds_left(self, job_id: str) -> float:
        lease = (await self.read(job_id)).lease
        assert lease is not None
        return (lease.until - self.clock.now()).total_seconds()

    def said(self, message: str) -> bool:
        return any(json.loads(line)["message"] == message for line in self.lines)

    async def _long(self, context: HandlerContext) -> None:
        self.runs.append(context)
        seconds = float(context.payload.get("seconds", 40))
        try:
            await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))
            if context.payload.get("post"):
                await context.once("post")
        except asyncio.CancelledError:
            self.cancelled.append(context.job_id)
            raise

    async def _stubborn(self, context: HandlerContext) -> None:
        self.runs.append(context)
        for _ in range(2):
            try:
                await self.clock.sleep_until(self.clock.now() + timedelta(hours=1))
            except asyncio.CancelledError:
                continue


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_the_lease_of_a_long_handler_is_renewed_at_each_third(bench: Bench) -> None:
    job_id, task = await bench.begin()
    await bench.clock.advance(19.9)
    assert await bench.seconds_left(job_id) == pytest.approx(LEASE - 19.9)
    await bench.clock.advance(0.1)
    assert await bench.seconds_left(job_id) == pytest.approx(LEASE)
    await bench.clock.advance(20)
    assert (task.result().renewed, task.result().jobs_succeeded) == (1, 1)
    job = await bench.read(job_id)
    assert (job.state, job.fence, job.attempt) == (JobState.SUCCEEDED, 1, 1)


async def test_the_lease_of_a_short_handler_is_left_alone(bench: Bench) -> None:
    job_id, task = await bench.begin(timeout_seconds=20, payload={"seconds": 19})
    await bench.clock.advance(18)
    assert await bench.seconds_left(job_id) == pytest.approx(LEASE - 18)
    await bench.clock.advance(1)
    assert (task.result().renewed, task.result().storage_writes) == (0, 2)


async def test_a_handler_that_lost_its_lease_is_cancelled_at_the_renewal(bench: Bench) -> None:
    job_id, task = await bench.begin()
    await bench.scheduler.cancel(job_id)
    await bench.clock.advance(19)
    assert bench.cancelled == []
    await bench.clock.advance(1)
    assert bench.cancelled == [job_id]
    assert (task.result().stale_completion, task.result().renewed) == (1, 0)
    assert bench.said("Lease lost")
    assert (await bench.read(job_id)).state is JobState.CANCELLED


async def test_a_stubborn_handler_without_a_lease_holds_the_tick_no_longer(bench: Bench) -> None:
    job_id, task = await bench.begin(job_type="stubborn")
    await bench.scheduler.cancel(job_id)
    await bench.clock.advance(25)
    assert task.result().errors_by_type == {"HandlerStuck": 1}
    await bench.clock.advance(7200)


async def test_a_renewal_that_cannot_be_made_does_not_stop_the_handler(bench: Bench) -> None:
    job_id, task = await bench.begin()
    bench.storage.down = True
    await bench.clock.advance(21)
    assert await bench.seconds_left(job_id) == pytest.approx(LEASE - 21)
    bench.storage.down = False
    await bench.clock.advance(19)
    assert task.result().jobs_succeeded == 1
    assert bench.cancelled == []


async def test_a_renewal_whose_answer_was_lost_counts(bench: Bench) -> None:
    job_id, task = await bench.begin()
    bench.storage.lose = 1
    await bench.clock.advance(20)
    assert await bench.seconds_left(job_id) == pytest.approx(LEASE)
    await bench.clock.advance(20)
    assert (task.result().renewed, task.result().jobs_succeeded) == (1, 1)


async def test_a_handler_that_ends_during_its_renewal_is_settled_after_it(bench: Bench) -> None:
    job_id, task = await bench.begin(payload={"seconds": 21}, concurrency_key="k")
    bench.storage.write_seconds = 3
    await bench.clock.advance(22)
    assert (await bench.read(job_id)).state is JobState.LEASED
    await bench.clock.advance(10)
    report = task.result()
    assert (report.renewed, report.jobs_succeeded, report.stale_completion) == (1, 1, 0)
    (free,) = await bench.storage.lock([Lock("k", "next", bench.clock.now())])
    assert free is not None


async def test_an_effect_begun_during_a_renewal_is_on_record_and_the_result_too(
    bench: Bench,
) -> None:
    job_id, task = await bench.begin(payload={"seconds": 21, "post": True})
    bench.storage.write_seconds = 2
    await bench.clock.advance(40)
    assert (task.result().jobs_succeeded, task.result().stale_completion) == (1, 0)
    assert (await bench.read(job_id)).effects == {"post": 1}


async def test_a_renewal_keeps_the_concurrency_key(bench: Bench) -> None:
    await bench.begin(concurrency_key="k")
    await bench.clock.advance(20)
    rival = Lock("k", "rival", bench.clock.now() + timedelta(hours=1))
    bench.clock.leap(LEASE - 1)
    assert await bench.storage.lock([rival]) == (None,)
    bench.clock.leap(1)
    assert await bench.storage.lock([rival]) == (rival,)


async def test_a_handler_that_lost_its_concurrency_key_is_cancelled_and_tried_again(
    bench: Bench,
) -> None:
    job_id, task = await bench.begin(concurrency_key="k")
    lease = (await bench.read(job_id)).lease
    assert lease is not None
    await bench.storage.unlock([Lock("k", lease.id, lease.until)])
    await bench.storage.lock([Lock("k", "rival", bench.clock.now() + timedelta(seconds=30))])
    await bench.clock.advance(20)
    assert bench.cancelled == [job_id]
    assert (task.result().released, task.result().stale_completion) == (1, 0)
    await bench.clock.advance(10)
    again = bench.clock.start(bench.scheduler.run_tick())
    await bench.clock.advance(40)
    assert again.result().jobs_succeeded == 1
    assert [run.fence for run in bench.runs] == [1, 2]


async def test_a_handler_over_its_time_is_not_renewed_any_more(bench: Bench) -> None:
    job_id, task = await bench.begin(payload={"seconds": 600})
    await bench.clock.advance(TIMEOUT)
    assert (task.result().renewed, task.result().errors_by_type) == (2, {"HandlerTimeout": 1})
    assert (await bench.read(job_id)).state is JobState.SCHEDULED

"""Concurrency keys within one tick: whose turn it is, and what the report says of the others."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import DueAfter, DuePage, Lock
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
SECONDS = 20


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Strained(MemoryStorage):
    """Its polls can take time, and its locks can be out of reach."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.time = clock
        self.poll_seconds = 0
        self.locks_are_down = False

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await super().read_due(limit, after)
        await self.time.sleep_until(self.time.now() + timedelta(seconds=self.poll_seconds))
        return page

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        if self.locks_are_down:
            raise StorageError("no locks", code="UNAVAILABLE", transient=True)
        return await super().lock(wanted)


class Bench:
    """A scheduler whose jobs take twenty seconds."""

    def __init__(self, **limits: Any) -> None:
        self.clock = ManualClock()
        self.storage = Strained(self.clock)
        self.runs: list[str] = []
        registry = HandlerRegistry()
        registry.handler("work")(self._work)
        self.scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=Log(self.clock, lambda _line: None),
            registry=registry,
            limits=Limits(**{"page": 2, **limits}),
            rng=random.Random(1),
        )

    async def start(self, **jobs: str | None) -> asyncio.Task[TickReport]:
        """Schedule jobs by id, each with its key, and begin a tick."""
        await self.scheduler.engine.driver.begin()
        for number, (job_id, key) in enumerate(jobs.items()):
            at = self.clock.now() - timedelta(seconds=100 - number)
            await self.scheduler.schedule_job(
                job_type="work", schedule_at=at, job_id=job_id, concurrency_key=key
            )
        return self.tick()

    def tick(self) -> asyncio.Task[TickReport]:
        return self.clock.start(self.scheduler.run_tick())

    async def _work(self, context: HandlerContext) -> None:
        self.runs.append(context.job_id)
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=SECONDS))


async def test_jobs_of_a_key_run_in_the_order_in_which_they_were_due() -> None:
    bench = Bench()
    task = await bench.start(a1="a", b1="b", a2="a", c="c", a3="a", free=None)
    await bench.clock.advance(2 * SECONDS)
    assert bench.runs == ["a1", "b1", "c", "free", "a2", "a3"]
    await bench.clock.advance(SECONDS)
    assert (task.result().jobs_succeeded, task.result().key_busy) == (6, 0)


async def test_more_jobs_of_a_key_than_may_wait_in_line_are_polled_again() -> None:
    bench = Bench(tick_budget_seconds=500)
    task = await bench.start(**{f"a{number}": "a" for number in range(9)})
    await bench.clock.advance(9 * SECONDS)
    assert bench.runs == [f"a{number}" for number in range(9)]
    assert (task.result().jobs_succeeded, task.result().key_busy) == (9, 0)


async def test_what_one_poll_saw_and_the_budget_left_is_more_due() -> None:
    bench = Bench(page=200, concurrency=2, tick_budget_seconds=30)
    task = await bench.start(**{f"a{number}": None for number in range(9)})
    await bench.clock.advance(100)
    report = task.result()
    assert (report.jobs_executed, report.jobs_due, report.more_due) == (4, 9, True)


async def test_what_the_budget_leaves_of_a_key_is_due_and_counted() -> None:
    bench = Bench()
    task = await bench.start(**{f"a{number}": "a" for number in range(5)})
    await bench.clock.advance(100)
    report = task.result()
    assert (report.jobs_executed, report.key_busy, report.more_due) == (3, 2, True)
    rest = bench.tick()
    await bench.clock.advance(2 * SECONDS)
    assert (rest.result().jobs_succeeded, rest.result().more_due) == (2, False)


async def test_a_job_cancelled_in_its_run_keeps_its_key_until_its_handler_ends() -> None:
    bench = Bench()
    first = await bench.start(one="k")
    await bench.clock.advance(1)
    await bench.scheduler.cancel("one")
    second = await bench.start(two="k")
    await bench.clock.advance(1)
    assert second.result().key_busy == 1
    await bench.clock.advance(SECONDS)
    assert first.result().stale_completion == 1
    third = bench.tick()
    await bench.clock.advance(SECONDS)
    assert third.result().jobs_succeeded == 1


async def test_a_shutdown_gives_keys_back_with_their_leases() -> None:
    bench = Bench()
    task = await bench.start(one="k", two="k")
    await bench.clock.advance(1)
    bench.scheduler.stop()
    bench.scheduler.cancel_running()
    await bench.clock.settle()
    assert (task.result().released, task.result().key_busy) == (1, 1)
    (lock,) = await bench.storage.lock([Lock("k", "next", bench.clock.now())])
    assert lock is not None


async def test_paging_past_jobs_of_a_busy_key_ends_with_the_budget() -> None:
    bench = Bench()
    bench.storage.poll_seconds = 30
    until = bench.clock.now() + timedelta(hours=1)
    await bench.storage.lock([Lock("k", "somebody", until)])
    task = await bench.start(**{f"a{number}": "k" for number in range(20)})
    await bench.clock.advance(60)
    report = task.result()
    assert (report.jobs_checked, report.jobs_executed, report.more_due) == (4, 0, True)


async def test_where_keys_cannot_be_locked_only_jobs_without_one_run() -> None:
    bench = Bench()
    bench.storage.locks_are_down = True
    task = await bench.start(one="k", two=None)
    await bench.clock.advance(SECONDS)
    report = task.result()
    assert (bench.runs, report.key_busy) == (["two"], 1)
    assert report.storage_errors == {"UNAVAILABLE": {"count": 1, "transient": True}}
    assert (await bench.scheduler.job("one")).state is JobState.SCHEDULED

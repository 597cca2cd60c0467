"""A result whose answer was lost, and whose fate could not be read back at first."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Lease
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.storage import Outcome, Stored, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
Lines = list[dict[str, Any]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Unheard(MemoryStorage):
    """Does the next results and loses the answers; then it cannot be read for a while."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.lose = 1
        self.unread = 1

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        outcomes = await super().write(batch)
        if self.lose and all(write.job.lease is None and write.job.recent for write in batch):
            self.lose -= 1
            raise _error()
        return outcomes

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        if self.unread and not self.lose:
            self.unread -= 1
            raise _error()
        return await super().get(ids)


def _error() -> StorageError:
    return StorageError("lost", code="UNAVAILABLE", transient=True)


@pytest.mark.parametrize(
    ("job_type", "attempts", "outcome"),
    [("good", 3, "succeeded"), ("bad", 3, "failed"), ("bad", 1, "dead")],
)
async def test_a_result_on_record_is_not_called_stale(
    job_type: str, attempts: int, outcome: str
) -> None:
    clock, lines = ManualClock(), Lines()
    store = Unheard(clock)
    scheduler, at = _scheduler(store, clock, lines), clock.now() - timedelta(seconds=1)
    await scheduler.engine.driver.begin()
    job = await scheduler.schedule_job(job_type=job_type, schedule_at=at, max_attempts=attempts)
    report = await _ticked(scheduler, clock)
    assert [run.outcome for run in (await scheduler.job(job.id)).recent] == [outcome]
    assert report.stale_completion == 0
    assert report.jobs_succeeded + report.jobs_failed == 1
    assert (report.retried, report.dead) == (outcome == "failed", outcome == "dead")
    assert "Stale completion dropped" not in [entry["message"] for entry in lines]


async def test_a_result_on_record_is_known_even_under_the_next_lease() -> None:
    clock, lines = ManualClock(), Lines()

    class Late(Unheard):
        async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
            try:
                return await super().write(batch)
            except StorageError:
                await _taken_elsewhere(self, batch[0].job.id, clock)
                raise

    store = Late(clock)
    scheduler = _scheduler(store, clock, lines)
    await scheduler.engine.driver.begin()
    await scheduler.schedule_job(job_type="good", schedule=Schedule(every=60.0))
    await clock.advance(61)
    report = await _ticked(scheduler, clock)
    assert (report.stale_completion, report.jobs_succeeded) == (0, 1)


async def test_a_result_that_is_not_on_record_is_stale_once_another_holds_the_lease() -> None:
    clock, lines = ManualClock(), Lines()

    class Overtaken(Unheard):
        async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
            if self.lose and batch[0].job.lease is None and batch[0].job.recent:
                self.lose -= 1
                await _taken_elsewhere(self, batch[0].job.id, clock)
                raise _error()
            return await super().write(batch)

    store = Overtaken(clock)
    scheduler, at = _scheduler(store, clock, lines), clock.now() - timedelta(seconds=1)
    await scheduler.engine.driver.begin()
    await scheduler.schedule_job(job_type="good", schedule_at=at, max_attempts=1)
    report = await _ticked(scheduler, clock)
    assert (report.stale_completion, report.jobs_succeeded) == (1, 0)


async def _taken_elsewhere(store: MemoryStorage, job_id: str, clock: ManualClock) -> None:
    """Another instance takes the next lease of the job."""
    (stored,) = await MemoryStorage.get(store, [job_id])
    assert stored is not None
    lease = Lease(Lease.fresh_id(), "another", clock.now() + timedelta(seconds=300))
    await MemoryStorage.write(store, [Write(claim(stored.job, lease), stored.version)])


def _scheduler(store: MemoryStorage, clock: ManualClock, lines: Lines) -> CronScheduler:
    registry = HandlerRegistry()

    @registry.handler("good")
    async def good(_context: HandlerContext) -> None:
        return

    @registry.handler("bad")
    async def bad(_context: HandlerContext) -> None:
        raise ValueError("bad")

    log = Log(clock, lambda line: lines.append(json.loads(line)))
    return CronScheduler(store, clock=clock, log=log, registry=registry)


async def _ticked(scheduler: CronScheduler, clock: ManualClock) -> TickReport:
    tick = clock.start(scheduler.run_tick())
    await clock.advance(5)
    return await tick

"""A day of the real engine over a store that counts: what `cost` says of it, and before it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.operations.cost import averaged, of_load, project, slots_a_day
from emonk_ops.operations.load import DOCUMENTED, declared
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment, Target
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import DriverRecord, DueAfter, DuePage, Outcome, Stored, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
JOBS = {
    "often": Schedule(line="*/5 * * * *"),
    "also": Schedule(line="*/5 * * * *"),
    "hourly": Schedule(line="20 * * * *"),
    "daily": Schedule(line="0 7 * * *"),
    "each-minute": Schedule(line="* * * * *"),
}


class CountingStorage(MemoryStorage):
    """Counts documents as Firestore bills them: an empty query, and one that is not there, too."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.reads = self.writes = 0

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await super().read_due(limit, after)
        self.reads += max(1, len(page.jobs))
        return page

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        self.writes += len(batch)
        return await super().write(batch)

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        self.reads += len(ids)
        return await super().get(ids)

    async def driver(self) -> DriverRecord | None:
        self.reads += 1
        return await super().driver()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def lived(names: Sequence[str]) -> tuple[CountingStorage, list[LogEntry], list[Job]]:
    """A day with a tick each minute, five seconds behind its slot."""
    clock = ManualClock(BEGIN)
    storage, registry = CountingStorage(clock), HandlerRegistry()

    @registry.handler("nothing")
    async def nothing(_context: HandlerContext) -> None:
        return

    log = Log(clock, lambda _line: None)
    scheduler = CronScheduler(storage, clock=clock, log=log, registry=registry)
    await scheduler.engine.driver.begin()
    jobs = [
        await scheduler.schedule_job(job_type="nothing", schedule=JOBS[name], job_id=name)
        for name in names
    ]
    storage.reads = storage.writes = 0
    lines = []
    for minute in range(1, 1441):
        await clock.advance((BEGIN + timedelta(minutes=minute, seconds=5) - clock.now()).seconds)
        report = await scheduler.run_tick()
        lines.append(line(clock.now(), report.to_dict()))
    return storage, lines, jobs


def line(at: datetime, told: dict[str, Any]) -> LogEntry:
    return LogEntry(at, "i", "stdout", "INFO", "Scheduler tick completed", told, {}, {}, {})


@pytest.mark.parametrize(
    "names", [(), ("hourly", "daily"), ("often", "also", "hourly"), tuple(JOBS)]
)
async def test_the_cost_agrees_with_what_was_counted(names: tuple[str, ...]) -> None:
    storage, lines, jobs = await lived(names)
    measured = averaged(lines)
    assert measured is not None
    env = Environment("qa", Target.SANDBOX, "p", cadence="* * * * *")
    slots = slots_a_day(env.cadence, "UTC", BEGIN)
    month = project(measured, slots)
    assert month.reads_a_day == pytest.approx(storage.reads, rel=0.01)
    assert month.writes_a_day == pytest.approx(storage.writes, rel=0.01)
    # Before a rollout there are only the schedules to go by.
    before = project(of_load(declared(env, jobs, BEGIN), DOCUMENTED), slots)
    assert before.reads_a_day == pytest.approx(storage.reads, rel=0.01)
    assert before.writes_a_day == pytest.approx(storage.writes, rel=0.01)
    assert before.firestore_usd == pytest.approx(month.firestore_usd, rel=0.01)


async def test_the_rates_are_found_in_the_ticks() -> None:
    _, lines, _ = await lived(("often", "also", "hourly"))
    measured = averaged(lines)
    assert measured is not None
    assert measured.runs * 1440 == pytest.approx(288 * 2 + 24)
    assert measured.busy * 1440 == pytest.approx(288)
    assert measured.rates == DOCUMENTED

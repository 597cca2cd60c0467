"""Who drives: revisions, epochs, standby, and the legacy loop that goes quiet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from emonk_ops.tick.driver import Path, Seat
from emonk_ops.tick.errors import DriverConflict, StorageError, TickError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import DriverRecord, Stored
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Breaking(MemoryStorage):
    """Has a bug of its own while `broken`."""

    broken = False

    async def driver(self) -> DriverRecord | None:
        if self.broken:
            raise RuntimeError("a bug")
        return await super().driver()


class Troubled(MemoryStorage):
    """Cannot be read for the next `driver_troubles` and `job_troubles` calls."""

    driver_troubles = 0
    job_troubles = 0

    async def driver(self) -> DriverRecord | None:
        if self.driver_troubles:
            self.driver_troubles -= 1
            raise StorageError("locked by another process", code="UNAVAILABLE", transient=True)
        return await super().driver()

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        if self.job_troubles:
            self.job_troubles -= 1
            raise StorageError("locked by another process", code="UNAVAILABLE", transient=True)
        return await super().get(ids)


class World:
    """One store, one clock, and any number of revisions on them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.storage: MemoryStorage = MemoryStorage(self.clock)
        self.slots: list[tuple[str, int]] = []
        self.lines: list[str] = []

    async def revision(
        self, name: str, declared: Mapping[str, Any] | None = None, **seat: Any
    ) -> CronScheduler:
        registry = HandlerRegistry()

        @registry.handler("note")
        async def note(context: HandlerContext) -> None:
            self.slots.append((name, context.slot.minute))

        if declared:
            registry.declare("steady", type="note", **declared)
        scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=Log(self.clock, self.lines.append),
            registry=registry,
            seat=Seat(revision=name, **seat),
            cadence="* * * * *",
        )
        await scheduler.engine.driver.begin()
        return scheduler

    def said(self, message: str) -> int:
        return sum(json.loads(line)["message"] == message for line in self.lines)


EACH_MINUTE = {"schedule": {"cron": "* * * * *"}}


@pytest.mark.parametrize(
    ("seat", "driver"),
    [({}, "cloud"), ({"loop": True}, "legacy"), ({"loop": True, "shadow": True}, "shadow")],
)
async def test_an_unmanaged_revision_drives_by_its_environment(
    seat: dict[str, Any], driver: str
) -> None:
    world = World()
    await world.revision("r1", **seat)
    assert await world.storage.driver() == DriverRecord(driver, 1, "r1")


async def test_a_second_revision_stays_in_standby_until_it_is_activated() -> None:
    world = World()
    one = await world.revision("r1", EACH_MINUTE, loop=True, shadow=True)
    two = await world.revision("r2", EACH_MINUTE)
    await world.clock.advance(60)
    assert not (await two.run_tick()).executed
    assert (await one.run_tick()).executed
    await two.engine.driver.activate("cloud", 1)
    await world.clock.advance(60)
    assert not (await one.run_tick()).executed
    assert (await two.run_tick()).executed


async def test_the_ticks_go_where_the_traffic_goes_and_take_the_drive_along() -> None:
    world = World()
    one = await world.revision("r1", EACH_MINUTE)
    two = await world.revision("r2", EACH_MINUTE)
    await world.clock.advance(60)
    assert (await one.run_tick()).jobs_succeeded == 1
    await world.clock.advance(60)
    assert (await two.run_tick()).jobs_succeeded == 1
    assert await world.storage.driver() == DriverRecord("cloud", 2, "r2")
    await world.clock.advance(1)
    await one.engine.driver.may_claim(Path.LOOP)
    assert one.engine.driver.role == "standby"
    assert world.slots == [("r1", 1), ("r2", 2)]


@pytest.mark.parametrize("driver", ["nobody", "legacy", "shadow"])
async def test_a_tick_takes_no_other_kind_of_drive_along(driver: str) -> None:
    world = World()
    two = await world.revision("r2", standby_seconds=30)
    await world.storage.set_driver(DriverRecord(driver, 1, "r1"), 0)
    await world.clock.advance(1)
    assert not (await two.run_tick()).executed
    assert await world.storage.driver() == DriverRecord(driver, 1, "r1")


async def test_a_lingering_revision_goes_quiet_within_a_second_of_the_change() -> None:
    world = World()
    one = await world.revision("r1", loop=True)
    await world.storage.set_driver(DriverRecord("cloud", 2, "r2"), 1)
    await world.clock.advance(1)
    assert not (await one.run_tick()).executed
    assert not await one.engine.driver.may_claim(Path.LOOP)
    assert one.engine.driver.role == "standby"


async def test_of_two_activations_from_one_epoch_one_wins() -> None:
    world = World()
    one = await world.revision("r1")
    two = await world.revision("r2")
    await two.engine.driver.activate("cloud", 1)
    with pytest.raises(DriverConflict, match="is 2, not 1"):
        await one.engine.driver.activate("cloud", 1)


async def test_a_revision_without_the_loop_cannot_drive_by_it() -> None:
    world = World()
    one = await world.revision("r1")
    for driver in ("legacy", "shadow"):
        with pytest.raises(TickError, match="legacy loop"):
            await one.engine.driver.activate(driver, 1)


async def test_declared_jobs_appear_only_once_the_revision_drives() -> None:
    world = World()
    await world.revision("r1", standby_seconds=30, declared=EACH_MINUTE)
    assert await world.storage.list_jobs(10) == ()
    await world.clock.advance(30)
    (stored,) = await world.storage.list_jobs(10)
    assert (stored.job.id, stored.job.declared) == ("steady", True)


async def test_a_standby_ends_in_spite_of_a_moments_storage_trouble() -> None:
    world = World()
    world.storage = storage = Troubled(world.clock)
    one = await world.revision("r1", EACH_MINUTE, standby_seconds=30)
    storage.driver_troubles = 2
    await world.clock.advance(32)
    assert one.engine.driver.role == "standby"
    await world.clock.advance(1)
    assert one.engine.driver.role == "driving"
    assert world.said("Scheduler storage error") == 2


async def test_trouble_after_the_record_is_written_leaves_no_declared_job_out() -> None:
    world = World()
    world.storage = storage = Troubled(world.clock)
    await world.revision("r1", EACH_MINUTE, standby_seconds=30)
    storage.job_troubles = 1
    await world.clock.advance(31)
    assert await storage.driver() == DriverRecord("cloud", 1, "r1")
    assert [one.job.id for one in await storage.list_jobs(10)] == ["steady"]


async def test_a_standby_that_is_retried_gives_way_to_an_activation() -> None:
    world = World()
    world.storage = storage = Troubled(world.clock)
    one = await world.revision("r1", standby_seconds=30)
    storage.driver_troubles = 1
    await world.clock.advance(30)
    await one.engine.driver.activate("cloud", 0, at_least=7)
    await world.clock.advance(60)
    assert await storage.driver() == DriverRecord("cloud", 7, "r1")


async def test_a_declared_job_keeps_its_state_and_takes_over_its_new_wording() -> None:
    world = World()
    one = await world.revision("r1", EACH_MINUTE)
    await world.clock.advance(60)
    await one.run_tick()
    two = await world.revision("r2", {**EACH_MINUTE, "payload": {"new": True}})
    await two.engine.driver.activate("cloud", 1)
    job = await two.job("steady")
    assert (job.payload, job.fence, job.counts) == ({"new": True}, 1, {"succeeded": 1})
    three = await world.revision("r3", {"schedule": {"cron": "30 * * * *"}})
    await three.engine.driver.activate("cloud", 2)
    job = await three.job("steady")
    assert (job.slot.minute, job.fence) == (30, 1)


# the legacy loop


async def test_the_legacy_loop_ticks_at_its_cadence_and_sleeps_between() -> None:
    world = World()
    scheduler = await world.revision("r1", EACH_MINUTE, loop=True)
    assert not scheduler.running
    await scheduler.start()
    await scheduler.start()
    assert scheduler.running
    await world.clock.advance(180)
    assert world.slots == [("r1", 1), ("r1", 2), ("r1", 3)]
    assert world.said("Scheduler tick completed") == 3
    await scheduler.stop_loop()
    assert not scheduler.running
    await world.clock.advance(180)
    assert len(world.slots) == 3


async def test_the_loop_is_silent_while_cloud_scheduler_drives_and_comes_back() -> None:
    world = World()
    scheduler = await world.revision("r1", EACH_MINUTE, loop=True)
    await scheduler.start()
    await scheduler.engine.driver.activate("cloud", 1)
    lines = len(world.lines)
    await world.clock.advance(120)
    assert len(world.lines) == lines
    assert (await scheduler.run_tick()).executed
    await scheduler.engine.driver.activate("legacy", 2)
    await world.clock.advance(60)
    assert world.slots[-1] == ("r1", 3)
    await scheduler.stop_loop()


async def test_the_loop_outlives_a_tick_that_goes_wrong() -> None:
    world = World()
    world.storage = storage = Breaking(world.clock)
    scheduler = await world.revision("r1", EACH_MINUTE, loop=True)
    await scheduler.start()
    storage.broken = True
    await world.clock.advance(60)
    storage.broken = False
    await world.clock.advance(60)
    assert world.said("Scheduler tick failed") == 1
    assert world.slots == [("r1", 2)]
    await scheduler.stop_loop()


async def test_in_shadow_both_paths_run_and_nothing_runs_twice() -> None:
    world = World()
    scheduler = await world.revision("r1", EACH_MINUTE, loop=True, shadow=True)
    await scheduler.start()
    for _ in range(5):
        await world.clock.advance(60)
        assert (await scheduler.run_tick()).executed
    assert [minute for _, minute in world.slots] == [1, 2, 3, 4, 5]
    await scheduler.stop_loop()

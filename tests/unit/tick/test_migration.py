"""Carrying all jobs from a store to another: whole or not at all, and never two that drive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.tick.errors import StorageError, TickError
from emonk_ops.tick.jobs import Job, JobState, Lease, checksum
from emonk_ops.tick.migration.engine import Carriage, Limits
from emonk_ops.tick.migration.mark import MarkFile
from emonk_ops.tick.migration.sides import MigrationRefused, StoreSide, sum_up
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import after_success, claim
from emonk_ops.tick.storage import DriverRecord, JobStorage, Outcome, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock

pytestmark = pytest.mark.anyio
DROVE = DriverRecord("cloud", 3, "local")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class PowerCut(Exception):
    pass


class Mortal:
    """A storage that fails for good before or after its n-th call, counted over both stores."""

    def __init__(self, storage: JobStorage, calls: list[str], at: tuple[str, int] | None) -> None:
        self._storage, self._calls, self._at = storage, calls, at

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._storage, name)

        async def called(*given: Any) -> Any:
            self._calls.append(name)
            if self._at == ("before", len(self._calls)):
                raise PowerCut
            answer = await call(*given)
            if self._at == ("after", len(self._calls)):
                raise PowerCut
            return answer

        return called


@dataclass
class World:
    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)

    def __post_init__(self) -> None:
        self.here, self.there = MemoryStorage(self.clock), MemoryStorage(self.clock)

    def carriage(
        self, *, wait: float = 0.0, quiet: float = 0.0, at: tuple[str, int] | None = None
    ) -> Carriage:
        self.calls: list[str] = []
        return Carriage(
            ("here", StoreSide(Mortal(self.here, self.calls, at))),
            ("there", StoreSide(Mortal(self.there, self.calls, at))),
            MarkFile(self.folder / "mark.json"),
            self.clock,
            limits=Limits(wait, quiet),
        )

    async def hold(self, *jobs: Job) -> None:
        await self.here.write([Write(job, None) for job in jobs])
        assert await self.here.set_driver(DROVE, 0)

    async def drivers(self) -> tuple[str | None, str | None]:
        found = await self.here.driver(), await self.there.driver()
        here, there = (None if one is None else one.driver for one in found)
        return here, there

    async def sums(self) -> tuple[Any, Any]:
        return await sum_up(StoreSide(self.here)), await sum_up(StoreSide(self.there))


def job(name: str, **more: Any) -> Job:
    slot = EPOCH + timedelta(hours=1)
    made = Job(name, "log", Schedule(every=60.0), {}, JobState.SCHEDULED, slot, slot, EPOCH)
    return replace(made, **more)


def leased(name: str, seconds: float) -> Job:
    return claim(job(name), Lease("l", "r1/i/t", EPOCH + timedelta(seconds=seconds)))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_jobs_and_the_drive_go_over_and_the_source_is_silent(world: World) -> None:
    jobs = [job(f"job-{n:04d}", fence=n) for n in range(1203)]
    await world.hold(*jobs)
    facts = await world.carriage().run()
    assert (facts["count"], facts["carried"], facts["already"]) == (1203, 1203, False)
    assert facts["checksum"] == checksum(one.to_dict() for one in jobs)
    assert await world.there.driver() == DriverRecord("cloud", 6, "local")
    assert await world.drivers() == ("nobody", "cloud")
    again = await world.carriage().run()
    assert again["already"] is True


async def test_interrupted_at_any_call_it_is_run_again_and_never_do_two_drive(
    tmp_path: Path,
) -> None:
    counting = World(tmp_path / "counting")
    await counting.hold(*(job(f"j{n}") for n in range(5)))
    await counting.carriage().run()
    total = len(counting.calls)
    assert total > 12
    for number in range(1, total + 1):
        for when in ("before", "after"):
            world = World(tmp_path / f"{when}-{number}")
            await world.hold(*(job(f"j{n}") for n in range(5)))
            with pytest.raises(PowerCut):
                await world.carriage(at=(when, number)).run()
            assert await world.drivers() not in [("cloud", "cloud")], (when, number)
            facts = await world.carriage().run()
            ours, theirs = await world.sums()
            assert ours == theirs, (when, number)
            assert (facts["count"], facts["driver"], facts["epoch"]) == (5, "cloud", 6)
            assert await world.drivers() == ("nobody", "cloud")


async def test_a_live_lease_blocks_and_the_source_drives_on(world: World) -> None:
    await world.hold(leased("busy", 300), job("idle"))
    with pytest.raises(MigrationRefused, match=r"'busy' until 2026-01-05T12:05:00Z") as refusal:
        await world.carriage().run()
    assert refusal.value.code == "leased"
    assert await world.drivers() == ("cloud", "nobody")
    assert (await world.here.driver()) == DriverRecord("cloud", 5, "local")
    assert await world.there.list_jobs(10) == ()


async def test_a_live_lease_is_waited_for(world: World) -> None:
    await world.hold(leased("busy", 20))
    run = world.clock.start(world.carriage(wait=60).run())
    await world.clock.advance(30)
    assert (await run)["count"] == 1
    assert world.clock.now() >= EPOCH + timedelta(seconds=20)


async def test_a_claim_that_comes_late_is_found_and_its_job_carried_again(world: World) -> None:
    await world.hold(job("late", due_at=EPOCH))
    run = world.clock.start(world.carriage(quiet=15).run())
    await asyncio.sleep(0)
    await world.clock.advance(5)
    (stored,) = await world.here.get(["late"])
    assert stored is not None
    held = claim(stored.job, Lease("l", "r1", world.clock.now()))
    ended = after_success(held, world.clock.now(), {"rows": 1})
    await world.here.write([Write(ended, stored.version)])
    await world.clock.advance(15)
    assert (await run)["carried"] == 2
    ours, theirs = await world.sums()
    assert ours == theirs


async def put_newer(world: World) -> None:
    await world.there.write([Write(job("a", slot=EPOCH + timedelta(days=1), fence=9), None)])


async def put_extra(world: World) -> None:
    await world.there.write([Write(job("only-there"), None)])


async def put_driver(world: World) -> None:
    await world.there.set_driver(DriverRecord("legacy", 1, "r9"), 0)


@pytest.mark.parametrize(
    ("spoil", "code", "named"),
    [
        (put_newer, "newer", "'a'"),
        (put_extra, "extra", "'only-there'"),
        (put_driver, "drives", "legacy"),
    ],
)
async def test_what_could_lose_something_is_refused_and_nothing_is_changed(
    world: World, spoil: Callable[[World], Any], code: str, named: str
) -> None:
    await world.hold(job("a", fence=1))
    await spoil(world)
    before = await world.sums()
    with pytest.raises(MigrationRefused, match=named) as refusal:
        await world.carriage().run()
    assert refusal.value.code == code
    assert await world.here.driver() == DROVE
    assert await world.sums() == before
    assert not (world.folder / "mark.json").exists()


async def test_older_copies_in_the_target_are_replaced(world: World) -> None:
    ran = after_success(leased("a", 0), EPOCH, None)
    await world.hold(ran)
    await world.there.write([Write(job("a"), None)])
    await world.carriage().run()
    (stored,) = await world.there.get(["a"])
    assert stored is not None
    assert stored.job == ran


async def test_an_unfinished_migration_can_be_abandoned(world: World) -> None:
    await world.hold(*(job(f"j{n}") for n in range(3)))
    with pytest.raises(PowerCut):
        await world.carriage(at=("after", 14)).run()
    assert await world.drivers() == ("nobody", "nobody")
    facts = await world.carriage().abandon()
    assert facts["driver"] == "cloud"
    assert await world.drivers() == ("cloud", "nobody")
    with pytest.raises(MigrationRefused, match="no migration"):
        await world.carriage().abandon()


async def test_a_source_activated_meanwhile_is_silenced_anew(world: World) -> None:
    await world.hold(*(job(f"j{n}") for n in range(3)))
    with pytest.raises(PowerCut):
        await world.carriage(at=("after", 14)).run()
    held = await world.here.driver()
    assert held is not None
    assert await world.here.set_driver(DriverRecord("legacy", held.epoch + 1, "r7"), held.epoch)
    facts = await world.carriage().run()
    assert facts["driver"] == "legacy"
    assert await world.drivers() == ("nobody", "legacy")


async def test_another_migration_waits_until_the_unfinished_one_ended(world: World) -> None:
    await world.hold(job("a"))
    with pytest.raises(PowerCut):
        await world.carriage(at=("after", 12)).run()
    other = Carriage(
        ("there", StoreSide(world.there)),
        ("here", StoreSide(world.here)),
        MarkFile(world.folder / "mark.json"),
        world.clock,
    )
    with pytest.raises(MigrationRefused, match="from here to there is unfinished"):
        await other.run()


@pytest.mark.parametrize("text", ["", "{", '{"format": "emonk-migration/1"}', "[]", '{"a": 1}'])
async def test_a_damaged_mark_is_refused_and_left_as_it_is(world: World, text: str) -> None:
    await world.hold(job("a"))
    path = world.folder / "mark.json"
    path.write_text(text)
    with pytest.raises(MigrationRefused, match="damaged"):
        await world.carriage().run()
    assert path.read_text() == text
    assert await world.here.driver() == DROVE


async def test_a_mark_that_cannot_be_written_stops_it_before_anything_is_changed(
    world: World,
) -> None:
    await world.hold(job("a"))
    (world.folder / "mark.json.new").mkdir()
    with pytest.raises(TickError, match="could not be written"):
        await world.carriage().run()
    assert await world.here.driver() == DROVE


async def test_a_store_that_nobody_ever_drove_leaves_the_target_to_be_activated(
    world: World,
) -> None:
    await world.here.write([Write(job("a"), None)])
    facts = await world.carriage().run()
    assert facts["driver"] == "nobody"
    assert await world.drivers() == ("nobody", "nobody")


class Forgetful(MemoryStorage):
    """Applies a batch and loses the answer, every other time."""

    calls = 0

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        outcomes = await super().write(batch)
        self.calls += 1
        if self.calls % 2:
            raise StorageError("lost", code="UNAVAILABLE", transient=True)
        return outcomes


async def test_a_batch_whose_answer_was_lost_is_not_written_twice(world: World) -> None:
    await world.hold(*(job(f"j{n}") for n in range(3)))
    world.there = there = Forgetful(world.clock)
    assert (await world.carriage().run())["count"] == 3
    assert there.calls == 1

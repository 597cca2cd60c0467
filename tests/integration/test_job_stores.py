"""The adapter behind `jobs migrate`: files, a running service, Firestore, and what it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import (
    CloudError,
    NotFound,
    OpsError,
    Refused,
    StateDamaged,
    StillLeased,
    UsageError,
)
from emonk_ops.gcp.job_stores import StoreMigrations
from emonk_ops.job_ports import Migration
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.storage import DriverRecord, Write
from emonk_ops.tick.storage.json_file import JsonFileStorage

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class LeapingClock(SystemClock):
    """Whoever sleeps is woken at once, at the time that was slept for."""

    def __init__(self) -> None:
        self._now = NOW

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        self._now = max(self._now, when)


class Place:
    def __init__(self, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.ports = InMemoryPorts(InMemoryWorld(jobs=()))
        self.environ = environ or {}
        self.said: list[str] = []
        self.clock = LeapingClock()

    def migrations(self, **settings: Any) -> StoreMigrations:
        env = Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=self.folder)
        env = replace(env, **settings)
        return StoreMigrations(
            env, lambda: self.ports.service, clock=self.clock, environ=self.environ
        )

    def wanted(self, source: str, target: str, wait: float = 0.0) -> Migration:
        mark = self.folder / "keep" / "migration.json"
        return Migration(source, target, mark, wait, self.said.append)

    def file(self, name: str) -> str:
        return f"json:{self.folder / name}"

    def write(self, name: str, jobs: Iterable[Job], driver: str = "cloud") -> str:
        async def written(storage: JsonFileStorage) -> None:
            await storage.write([Write(one, None) for one in jobs])
            await storage.set_driver(DriverRecord(driver, 1, "local"), 0)

        self._with(name, written)
        return self.file(name)

    def driver(self, name: str) -> DriverRecord | None:
        found: list[DriverRecord | None] = []

        async def read(storage: JsonFileStorage) -> None:
            found.append(await storage.driver())

        self._with(name, read)
        return found[0]

    def _with(self, name: str, act: Any) -> None:
        async def done() -> None:
            storage = JsonFileStorage(self.folder / name, self.clock)
            await storage.open()
            work: Coroutine[Any, Any, None] = act(storage)
            await work
            await storage.close()

        asyncio.run(done())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def job(name: str) -> Job:
    slot = NOW + timedelta(minutes=5)
    return Job(name, "log", Schedule(every=300.0), {"ä": 1}, JobState.SCHEDULED, slot, slot, NOW)


def test_a_service_s_jobs_go_to_a_file_and_back_into_it(place: Place) -> None:
    world = place.ports.world
    world.store.jobs = {name: job(name).to_dict() for name in ("a", "b")}
    before = dict(world.store.jobs)
    assert world.record() == ("legacy", 1)
    out = place.migrations().run(place.wanted("service", place.file("jobs.jsonl")))
    assert (out["count"], out["driver"]) == (2, "legacy")
    assert world.record() == ("nobody", 2)
    assert place.driver("jobs.jsonl") == DriverRecord("legacy", out["epoch"], world.serving)
    assert any("waiting 15 s" in line for line in place.said)
    world.store.jobs = {}
    back = place.migrations().run(place.wanted(place.file("jobs.jsonl"), "service"))
    assert back["checksum"] == out["checksum"]
    assert world.store.jobs == before
    state = world.record()
    assert state is not None
    assert state[0] == "legacy"
    assert state[1] >= back["epoch"] > out["epoch"]
    silent = place.driver("jobs.jsonl")
    assert silent is not None
    assert silent.driver == "nobody"


def test_a_file_goes_to_firestore(tmp_path: Path, firestore_emulator: Emulator) -> None:
    place = Place(tmp_path, {"FIRESTORE_EMULATOR_HOST": firestore_emulator.address})
    source = place.write("jobs.jsonl", [job("a"), job("b")])
    target = "firestore:job-stores/(default)"
    facts = place.migrations().run(place.wanted(source, target))
    assert (facts["count"], facts["driver"], facts["already"]) == (2, "cloud", False)
    again = place.migrations().run(place.wanted(source, target))
    assert again["already"] is True
    back = place.migrations().run(place.wanted(target, place.file("back.jsonl")))
    assert back["checksum"] == facts["checksum"]


def test_a_file_that_is_not_there_is_not_made(place: Place) -> None:
    with pytest.raises(NotFound, match="no job file"):
        place.migrations().run(place.wanted(place.file("typo.jsonl"), place.file("b.jsonl")))
    assert list(place.folder.iterdir()) == []


def test_a_live_lease_is_said_with_the_code_of_waiting(place: Place) -> None:
    held = claim(job("a"), Lease("l", "r1", NOW + timedelta(seconds=60)))
    source = place.write("a.jsonl", [held])
    with pytest.raises(StillLeased, match="'a' until 2026-01-05T12:01:00Z"):
        place.migrations().run(place.wanted(source, place.file("b.jsonl")))
    assert place.driver("a.jsonl") == DriverRecord("cloud", 3, "local")
    waited = place.wanted(source, place.file("b.jsonl"), wait=90)
    assert place.migrations().run(waited)["count"] == 1


def test_a_damaged_file_is_refused_and_left_as_it_is(place: Place) -> None:
    path = place.folder / "a.jsonl"
    path.write_text("no store of ours\n")
    with pytest.raises(StateDamaged, match="line 1"):
        place.migrations().run(place.wanted(f"json:{path}", place.file("b.jsonl")))
    assert path.read_text() == "no store of ours\n"


def test_a_target_that_drives_is_refused(place: Place) -> None:
    source, target = place.write("a.jsonl", [job("a")]), place.write("b.jsonl", [])
    with pytest.raises(Refused, match="is driven as cloud, epoch 1"):
        place.migrations().run(place.wanted(source, target))
    with pytest.raises(Refused, match="no migration between these two"):
        place.migrations().abandon(place.wanted(source, target))


@pytest.mark.parametrize(
    ("settings", "environ", "error", "told"),
    [
        ({"target": Target.GCP}, "127.0.0.1:1", UsageError, "is in the real cloud"),
        (
            {"target": Target.GCP, "impersonate": "x@y"},
            "",
            UsageError,
            "application default credentials as they are",
        ),
        ({}, "192.0.2.1:1", UsageError, "not on loopback"),
        ({}, "127.0.0.1:1", CloudError, "UNAVAILABLE"),
        ({}, "", CloudError, "no sandbox runs"),
    ],
)
def test_a_firestore_that_must_not_or_cannot_be_reached(
    tmp_path: Path, settings: dict[str, Any], environ: str, error: type[OpsError], told: str
) -> None:
    place = Place(tmp_path, {"FIRESTORE_EMULATOR_HOST": environ} if environ else {})
    source = place.write("a.jsonl", [job("a")])
    with pytest.raises(error, match=told) as failure:
        place.migrations(**settings).run(place.wanted(source, "firestore:p/(default)"))
    assert failure.value.hint
    assert place.driver("a.jsonl") == DriverRecord("cloud", 1, "local")

"""Two real instances in shadow mode on one store, each with its loop and its share of the ticks.

What ran is read from the handlers' own file of effects, what was decided from the instances' logs,
and what became of every slot from the store: three witnesses that know nothing of each other.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator
from emonk_ops.tick.instants import from_text
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.service import storage_of
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage import JobStorage

pytestmark = pytest.mark.anyio
INSTANCE = Path(__file__).with_name("shadow_instance.py")
LOOP_ENDED = "The quick loop has ended"
GRACE_SECONDS = 1.5
PERIOD_SECONDS = 2
STEADY, ONCE = 12, 60
PATIENCE_SECONDS = 150.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Instance:
    """A process of the service, and what it has logged so far."""

    def __init__(self, environment: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.entries: list[dict[str, Any]] = []
        self.child = subprocess.Popen(
            [sys.executable, str(INSTANCE)],
            env={**environment, "PORT": str(self.port)},
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def said(self, message: str) -> bool:
        return any(entry["message"] == message for entry in list(self.entries))

    def decisions(self, *kinds: str) -> list[dict[str, Any]]:
        return [entry for entry in list(self.entries) if entry.get("decision") in kinds]

    def end(self, how: signal.Signals) -> None:
        self.child.send_signal(how)
        self.child.wait(timeout=20)
        self._reader.join()

    def _read(self) -> None:
        assert self.child.stdout is not None
        with self.child.stdout as lines:
            for line in lines:
                self.entries.append(json.loads(line))


@dataclass
class World:
    """Both instances, and the effects they had."""

    environment: dict[str, str]
    instances: list[Instance]
    effects: Path

    def decisions(self, *kinds: str) -> list[dict[str, Any]]:
        found = [one for instance in self.instances for one in instance.decisions(*kinds)]
        return sorted(found, key=lambda one: str(one["time"]))

    def runs_on(self, path: str) -> int:
        return sum(one["path"] == path for one in self.decisions("execute"))

    def runs_of_each_job(self) -> Counter[str]:
        return Counter(one["job_id"] for one in self.decisions("execute"))

    def until(self, reached: Callable[[], bool]) -> None:
        """Wait for what must come; the limit is for a machine that is busy."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        pause = threading.Event()
        while not reached():
            assert time.monotonic() < give_up, self.runs_of_each_job()
            pause.wait(0.05)

    @contextmanager
    def ticking(self) -> Iterator[None]:
        """Ticks to both instances, side by side and now and then twice at once."""
        stopped = threading.Event()
        answered: list[str] = []
        threads = [
            threading.Thread(target=_tick, args=(one.url, stopped, pause, answered))
            for one in self.instances
            for pause in (0.2, 0.7)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()
        # What an instance said of a tick is read a moment after the tick was answered.
        self.until(lambda: set(answered) <= self._logged_ticks())

    def _logged_ticks(self) -> set[str]:
        entries = [entry for one in self.instances for entry in list(one.entries)]
        return {one["tick_id"] for one in entries if one["message"] == "Scheduler tick completed"}


def _tick(url: str, stopped: threading.Event, pause: float, answered: list[str]) -> None:
    with httpx.Client(base_url=url, timeout=30) as http:
        while not stopped.wait(pause):
            answer = http.post("/cron/tick")
            assert answer.status_code == 200
            answered.append(answer.json()["tick_id"])


@pytest.fixture(params=["json", "firestore"])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    shared = {
        "PATH": os.environ["PATH"],
        "SCHEDULER_STORAGE": request.param,
        "SCHEDULER_SHADOW_MODE": "true",
        "SCHEDULER_LEGACY_LOOP": "true",
        "GRACE": str(GRACE_SECONDS),
        "EFFECTS": str(tmp_path / "effects"),
    }
    if request.param == "json":
        return {**shared, "SCHEDULER_JSON_PATH": str(tmp_path / "jobs.jsonl")}
    emulator: Emulator = request.getfixturevalue("firestore_emulator")
    project = f"test-{secrets.token_hex(6)}"
    return {
        **shared,
        "VERTEX_AI_PROJECT_ID": project,
        "FIRESTORE_EMULATOR_HOST": emulator.address,
    }


@asynccontextmanager
async def opened(environment: dict[str, str]) -> AsyncIterator[JobStorage]:
    clock = SystemClock()
    storage = storage_of(read_settings(environment), clock, Log(clock))
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


async def fill(environment: dict[str, str]) -> None:
    """Recurring jobs, and one-off jobs over the next seconds."""
    async with opened(environment) as storage:
        scheduler = CronScheduler(storage)
        now = await storage.clock()
        for number in range(STEADY):
            await scheduler.schedule_job(
                job_type="note", job_id=f"steady-{number}", schedule=Schedule(every=PERIOD_SECONDS)
            )
        for number in range(ONCE):
            at = now + timedelta(seconds=1 + number / 10)
            await scheduler.schedule_job(job_type="note", job_id=f"once-{number}", schedule_at=at)


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    instances = [Instance(environment) for _ in range(2)]
    world = World(environment, instances, Path(environment["EFFECTS"]))
    try:
        world.until(lambda: all(_answers(one) for one in instances))
        yield world
    finally:
        for one in instances:
            if one.child.poll() is None:
                one.end(signal.SIGKILL)


def _answers(instance: Instance) -> bool:
    assert instance.child.poll() is None
    try:
        socket.create_connection(("127.0.0.1", instance.port), timeout=1).close()
    except OSError:
        return False
    return True


async def test_nothing_twice_nothing_lost_half_each_and_one_path_is_enough(world: World) -> None:
    with world.ticking():
        await fill(world.environment)
        world.until(lambda: len(world.decisions("execute")) >= ONCE + 4 * STEADY)
    halves = world.runs_on("loop"), world.runs_on("cron")
    # On a busy machine a poll comes late, and the other path takes some of its slots over.
    assert min(halves) >= 0.25 * sum(halves)

    # No tick comes any more: the loop takes everything over.
    before = world.runs_of_each_job()
    cron_runs = world.runs_on("cron")
    world.until(lambda: _each_ran(world, before, 2))
    assert world.runs_on("cron") == cron_runs

    # The loops have ended: the ticks take everything over.
    for one in world.instances:
        one.child.send_signal(signal.SIGUSR1)
    world.until(lambda: all(one.said(LOOP_ENDED) for one in world.instances))
    before, loop_runs = world.runs_of_each_job(), world.runs_on("loop")
    with world.ticking():
        world.until(lambda: _each_ran(world, before, 2))
    assert world.runs_on("loop") == loop_runs

    for one in world.instances:
        one.end(signal.SIGTERM)
    assert_nothing_twice(world)
    assert_decisions_add_up(world)
    async with opened(world.environment) as storage:
        jobs = [stored.job for stored in await storage.list_jobs(1000)]
    assert len(jobs) == STEADY + ONCE
    for job in jobs:
        assert_nothing_lost(job, world.runs_of_each_job()[job.id])


def _each_ran(world: World, before: Counter[str], times: int) -> bool:
    now = world.runs_of_each_job()
    return all(now[f"steady-{n}"] >= before[f"steady-{n}"] + times for n in range(STEADY))


def assert_nothing_twice(world: World) -> None:
    effects = [json.loads(line) for line in world.effects.read_text().splitlines()]
    assert max(Counter(one["key"] for one in effects).values()) == 1
    told = Counter((one["idempotency_key"], one["fence"]) for one in world.decisions("execute"))
    assert told == Counter((one["key"], one["fence"]) for one in effects)


def assert_decisions_add_up(world: World) -> None:
    claims, taken = world.decisions("claim"), world.decisions("takeover")
    assert all(one["path"] == one["owner"] for one in claims)
    assert all(one["path"] != one["owner"] for one in taken)
    assert taken
    for one in taken:
        waited = one["lateness_seconds"] + _seconds(one["slot"]) - _seconds(one["first_slot"])
        assert waited > GRACE_SECONDS
    won = {(one["idempotency_key"], one["fence"]) for one in (*claims, *taken)}
    assert len(won) == len(claims) + len(taken)
    deferred = world.decisions("defer")
    said = Counter((one["instance"], one["path"], one["idempotency_key"]) for one in deferred)
    assert set(said.values()) == {1}
    for instance in world.instances:
        numbers = [one["sequence"] for one in instance.entries if "sequence" in one]
        assert numbers == list(range(1, len(numbers) + 1))


def assert_nothing_lost(job: Job, runs: int) -> None:
    assert job.counts.get("succeeded") == runs
    assert set(job.counts) <= {"succeeded", "coalesced"}
    if job.schedule.recurs:
        first = job.schedule.first(job.created_at)
        passed = round((job.slot - first).total_seconds() / PERIOD_SECONDS)
        assert job.counts["succeeded"] + job.counts.get("coalesced", 0) == passed
        assert job.ordinal == runs


def _seconds(instant: str) -> float:
    return from_text(instant, "slot").timestamp()

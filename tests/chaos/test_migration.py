"""Jobs carried from a file to Firestore and back, by processes that are killed on the way."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator
from emonk_ops.tick.jobs import checksum
from emonk_ops.tick.storage import DriverRecord, Write
from emonk_ops.tick.storage.json_file import JsonFileStorage

from .mixed_jobs import mixed_jobs

JOBS = int(os.environ.get("EMONK_MIGRATE_JOBS", "1000"))
SEED = int(os.environ.get("EMONK_MIGRATE_SEED", "1"))
KILLS = int(os.environ.get("EMONK_MIGRATE_KILLS", "5"))
LONGEST_SECONDS = 300.0
PROGRAM = Path(__file__).with_name("crashing_migration.py")


class Road:
    """One way of a migration, as a process each time."""

    def __init__(self, source: str, target: str, mark: Path, emulator: str) -> None:
        self._argv = [sys.executable, str(PROGRAM), source, target, str(mark)]
        self._environ = {**os.environ, "FIRESTORE_EMULATOR_HOST": emulator}

    def go(self, when: str = "never", number: float = 0) -> dict[str, Any] | None:
        """The facts, None where the process was killed."""
        ended = subprocess.run(
            [*self._argv, when, str(number)],
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        if ended.returncode == -signal.SIGKILL:
            return None
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
        return found

    def go_through(self, rng: random.Random, calls: int) -> tuple[dict[str, Any], int]:
        """Kill it again and again, then let it end: the facts, and how often it was killed."""
        killed = 0
        for _ in range(KILLS):
            when = rng.choice(("before", "after", "moment"))
            at = rng.uniform(0.2, 3.0) if when == "moment" else rng.randint(1, calls)
            found = self.go(when, at)
            if found is not None:
                return found, killed
            killed += 1
        found = self.go()
        assert found is not None
        return found, killed


async def write_file(path: Path) -> str:
    store = JsonFileStorage(path, SystemClock())
    await store.open()
    jobs = mixed_jobs(JOBS, SEED)
    outcomes = await store.write([Write(job, None) for job in jobs])
    assert all(outcome.version for outcome in outcomes)
    assert await store.set_driver(DriverRecord("cloud", 3, "local"), 0)
    await store.close()
    return checksum(job.to_dict() for job in jobs)


async def driver_of(path: Path) -> DriverRecord | None:
    store = JsonFileStorage(path, SystemClock())
    await store.open()
    found = await store.driver()
    await store.close()
    return found


@pytest.mark.timeout(1800)
def test_jobs_arrive_whole_whatever_kills_the_carrier(
    firestore_emulator: Emulator, tmp_path: Path
) -> None:
    rng = random.Random(SEED)
    origin, end = tmp_path / "origin.jsonl", tmp_path / "end.jsonl"
    expected = asyncio.run(write_file(origin))
    database = f"firestore:migrate-{SEED}-{JOBS}"
    pages = JOBS // 500 + 2
    there = Road(f"json:{origin}", database, tmp_path / "there.mark", firestore_emulator.address)
    back = Road(database, f"json:{end}", tmp_path / "back.mark", firestore_emulator.address)

    first, kills_there = there.go_through(rng, 10 + 6 * pages)
    assert (first["count"], first["checksum"]) == (JOBS, expected)
    assert (first["driver"], first["epoch"]) == ("cloud", 6)
    source = asyncio.run(driver_of(origin))
    assert source is not None
    assert source.driver == "nobody"

    last, kills_back = back.go_through(rng, 10 + 6 * pages)
    assert (last["count"], last["checksum"]) == (JOBS, expected)
    final = asyncio.run(driver_of(end))
    assert final is not None
    assert (final.driver, final.revision) == ("cloud", "local")
    assert final.epoch == last["epoch"] > first["epoch"]
    assert kills_there + kills_back > 0, "no run was killed: choose another EMONK_MIGRATE_SEED"
    again = back.go()
    assert again is not None
    assert again["already"] is True

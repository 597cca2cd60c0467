"""Processes that die or are ended in the middle of a job: what becomes of it, and how soon."""

# ruff: noqa: ASYNC221 - the processes are what is tested, and nobody else waits
from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place
from emonk_ops.tick.storage.json_file import JsonFileStorage

pytestmark = pytest.mark.anyio
POISON = Path(__file__).with_name("poison.py")
POISONED = 86
LEASE_SECONDS = 300


class Shop:
    """One store, as a test opens it, as `poison.py` is told of it and as a service's settings."""

    def __init__(self, storage: JobStorage, words: list[str], settings: dict[str, str]) -> None:
        self.storage = storage
        self.words = words
        self.settings = settings
        clock = SystemClock()
        self.scheduler = CronScheduler(storage, clock=clock, log=Log(clock, lambda _line: None))

    async def job(self, job_type: str, **options: Any) -> Job:
        at = await self.storage.clock() - timedelta(seconds=1)
        return await self.scheduler.schedule_job(job_type=job_type, schedule_at=at, **options)


@pytest.fixture(params=["json", "firestore", "firestore in the sandbox"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    if request.param == "json":
        path = str(tmp_path / "jobs.jsonl")
        storage = JsonFileStorage(path, SystemClock())
        settings = {"SCHEDULER_STORAGE": "json", "SCHEDULER_JSON_PATH": path}
        return Shop(storage, ["json", path], settings)
    if "sandbox" in request.param:
        endpoint: Endpoint = request.getfixturevalue("firestore_embedded")
        address = endpoint.grpc
    else:
        emulator: Emulator = request.getfixturevalue("firestore_emulator")
        address = emulator.address
    project = f"test-{secrets.token_hex(6)}"
    settings = {
        "SCHEDULER_STORAGE": "firestore",
        "VERTEX_AI_PROJECT_ID": project,
        "FIRESTORE_EMULATOR_HOST": address,
    }
    store = FirestoreStorage(Place(project, emulator=address), SystemClock())
    return Shop(store, ["firestore", address, project], settings)


async def test_a_job_that_kills_its_process_is_dead_after_its_last_attempt(shop: Shop) -> None:
    await shop.storage.open()
    job = await shop.job("poison", max_attempts=2)
    codes = [
        subprocess.run([sys.executable, str(POISON), *shop.words], timeout=60).returncode
        for _ in range(3)
    ]
    found = await shop.scheduler.job(job.id)
    await shop.storage.close()
    assert codes == [POISONED, POISONED, 0]
    assert (found.state, found.attempt, found.fence) == (JobState.DEAD, 2, 2)
    assert [(run.outcome, run.reason) for run in found.recent] == [
        ("dead", "lease expired on the last attempt")
    ]


HANDLERS = """
import asyncio
from emonk_ops.tick import handler

@handler("long")
async def long(context):
    if context.fence == 1:
        await asyncio.sleep(60)
"""
Start = Callable[[], "Service"]


class Service:
    """The service in a process, and what it says."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "HOST": "127.0.0.1",
            "SCHEDULER_HANDLERS": "long_jobs",
            "SCHEDULER_LEASE_SECONDS": str(LEASE_SECONDS),
            **settings,
        }
        self.child = subprocess.Popen(
            [sys.executable, "-m", "emonk_ops.tick"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
        )

    def wait_for(self, message: str) -> dict[str, Any]:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            entry: dict[str, Any] = json.loads(line)
            if entry["message"] == message:
                return entry
        raise AssertionError(f"never said: {message}")

    def tick(self, timeout: float = 30) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/cron/tick"
        answer: dict[str, Any] = httpx.post(url, timeout=timeout).json()
        return answer

    def listening(self) -> None:
        give_up = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.child.poll() is None
                assert time.monotonic() < give_up
                select.select([], [], [], 0.01)
            else:
                return


@pytest.fixture
def start(tmp_path: Path, shop: Shop) -> Iterator[Start]:
    (tmp_path / "long_jobs.py").write_text(HANDLERS)
    begun: list[Service] = []

    def start() -> Service:
        begun.append(Service(tmp_path, shop.settings))
        begun[-1].listening()
        return begun[-1]

    yield start
    for service in begun:
        if service.child.poll() is None:
            service.child.kill()
        service.child.communicate()


async def test_a_job_that_a_shutdown_interrupted_runs_on_the_very_next_tick(
    shop: Shop, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it measures is said even where the test passes: it is what a deploy costs a job."""
    await shop.storage.open()
    job = await shop.job("long")
    first = start()
    with socket.create_connection(("127.0.0.1", first.port), timeout=5) as tick:
        tick.sendall(b"POST /cron/tick HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        first.wait_for(f"Executing job {job.id}")
        began = time.monotonic()
        first.child.send_signal(signal.SIGTERM)
        first.wait_for("Job released")
        released = time.monotonic() - began
        first.wait_for("Service stopped")
        assert first.child.wait(timeout=10) == 0
    second = start()
    asked = time.monotonic()
    report = second.tick()
    ran = time.monotonic()
    found = await shop.scheduler.job(job.id)
    await shop.storage.close()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{shop.storage.kind}: released {released:.1f} s after SIGTERM, run again within "
            f"{ran - asked:.2f} s of the next tick, {ran - began:.1f} s after SIGTERM in all; "
            f"its lease would have lasted {LEASE_SECONDS} s.\n"
        )
    assert (report["jobs_succeeded"], report["rescued"]) == (1, 0)
    assert (found.state, found.fence, found.attempt) == (JobState.SUCCEEDED, 2, 1)
    assert [run.outcome for run in found.recent] == ["released", "succeeded"]
    assert released < 10
    assert ran - began < LEASE_SECONDS / 10

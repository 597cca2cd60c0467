"""kill -9 of the command line at its journal writes, then the same command again.

`make crash` plays every point; otherwise EMONK_CRASH_POINTS of them, drawn with a fixed seed.
"""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.cloud import scheduler_v1

HERE = Path(__file__).parent
POINTS = os.environ.get("EMONK_CRASH_POINTS", "30")
SEED = 20261124
SIGKILLED = -9
FILE_PLACE = '# place = "file"'
CONFIRMED = [
    f"--confirm={name}=crash test"
    for name in (
        "code-review",
        "lint",
        "type-check",
        "scheduler-api",
        "operator-permissions",
        "service-permissions",
    )
]


class Rehearsed:
    """A sandbox, a settings file, and the command line in a folder of their own."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self.folder = folder
        self.shared = shared
        self.settings = folder / "emonk-ops.toml"

    def run(self, *argv: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(HERE / "crashing_cli.py"), str(kill_at), *argv],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"},
            stdin=subprocess.DEVNULL,
            timeout=120,
        )

    def must(self, *argv: str) -> str:
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def journal_events(self, *argv: str) -> int:
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}\n{done.stdout}\n{done.stderr}"
        found = re.search(r"journal events: (\d+)", done.stderr)
        assert found
        return int(found[1])

    def share_state(self) -> None:
        """Journal and lock in a database of the sandbox's Firestore."""
        text = self.settings.read_text()
        assert FILE_PLACE in text
        self.settings.write_text(text.replace(FILE_PLACE, 'place = "firestore:emonk-qa/state"'))

    def vary_deployment(self, mark: str) -> None:
        """Another variable of the service, so that the next stage has a revision to deploy."""
        text = self.settings.read_text()
        line = f'service_env = {{ CRASH_MARK = "{mark}" }}'
        if "CRASH_MARK" in text:
            text = re.sub(r"service_env = \{ CRASH_MARK.*", line, text)
        else:
            text = text.replace("[env.qa]\n", f"[env.qa]\n{line}\nacceptance_intervals = 1\n")
        self.settings.write_text(text)

    @property
    def endpoint(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.folder / ".emonk-sandbox" / "endpoint.json").read_text()
        )
        return found

    def scheduler_jobs(self) -> list[scheduler_v1.Job]:
        with grpc.insecure_channel(self.endpoint["grpc"]) as channel:
            kind = scheduler_v1.CloudSchedulerClient.get_transport_class("grpc")
            client = scheduler_v1.CloudSchedulerClient(transport=kind(channel=channel))
            parent = "projects/emonk-qa/locations/us-central1"
            return list(client.list_jobs(parent=parent, timeout=5))

    def delete_scheduler_jobs(self) -> None:
        with grpc.insecure_channel(self.endpoint["grpc"]) as channel:
            kind = scheduler_v1.CloudSchedulerClient.get_transport_class("grpc")
            client = scheduler_v1.CloudSchedulerClient(transport=kind(channel=channel))
            for job in self.scheduler_jobs():
                client.delete_job(name=job.name, timeout=5)

    def stored_jobs(self) -> set[str]:
        status = json.loads(self.must("status", "--env", "qa", "--json"))
        uri = status["data"]["service"]["facts"]["uri"]
        token = httpx.post(
            f"{self.endpoint['http']}/sandbox/token",
            json={"email": "operator@example.com", "audience": uri},
            timeout=5,
            trust_env=False,
        ).json()["token"]
        answer = httpx.get(
            f"{uri}/admin/jobs",
            headers={"Authorization": f"Bearer {token}"},
            timeout=5,
            trust_env=False,
        )
        return {job["id"] for job in answer.json()["jobs"]}

    def driver(self) -> dict[str, Any]:
        status = json.loads(self.must("status", "--env", "qa", "--json"))
        found: dict[str, Any] = status["data"]["driver"]["facts"]
        return found


@pytest.fixture(scope="module", params=["file", "firestore"])
def rehearsed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsed]:
    world = Rehearsed(tmp_path_factory.mktemp("crash"), shared=request.param == "firestore")
    world.must("sandbox", "up", "--detach", "--clock", "virtual")
    try:
        world.must("init", "--sandbox")
        if world.shared:
            world.share_state()
        world.vary_deployment("none")
        world.must("stage", "0", "--env", "qa", *CONFIRMED)
        world.must("stage", "1", "--env", "qa")
        yield world
    finally:
        world.run("sandbox", "down")


def points(world: Rehearsed, most: int, salt: int) -> list[int]:
    """Two thirds of the points on a journal in a file, a third on a shared one."""
    every = list(range(1, most + 1))
    if POINTS == "all":
        return every
    half = min(len(every), int(POINTS) // (6 if world.shared else 3))
    return sorted(random.Random(SEED + salt).sample(every, half))


@pytest.mark.timeout(1800)
def test_stage_1_killed_at_journal_writes_converges(rehearsed: Rehearsed) -> None:
    rehearsed.vary_deployment("counting")
    most = rehearsed.journal_events("stage", "1", "--env", "qa")
    before = rehearsed.stored_jobs()
    assert len(before) == 3
    for point in points(rehearsed, most, 1):
        rehearsed.vary_deployment(f"point-{point}")
        killed = rehearsed.run("stage", "1", "--env", "qa", kill_at=point)
        assert killed.returncode == SIGKILLED, f"point {point}: {killed.stdout}"
        again = rehearsed.run("stage", "1", "--env", "qa")
        assert again.returncode == 0, f"point {point}\n{again.stdout}\n{again.stderr}"
        assert rehearsed.stored_jobs() == before, f"point {point}"
        assert rehearsed.driver()["driver"] == "legacy", f"point {point}"
        assert rehearsed.scheduler_jobs() == [], f"point {point}"
    rehearsed.must("history", "--env", "qa")


@pytest.mark.timeout(1800)
def test_stage_2_killed_at_journal_writes_converges(rehearsed: Rehearsed) -> None:
    rehearsed.must("stage", "1", "--env", "qa")
    most = rehearsed.journal_events("stage", "2", "--env", "qa")
    before = rehearsed.stored_jobs()
    for point in points(rehearsed, most, 2):
        rehearsed.must("rollback", "--env", "qa", "--yes")
        rehearsed.delete_scheduler_jobs()
        rehearsed.must("resume", "--env", "qa", "--reason", f"point {point}")
        killed = rehearsed.run("stage", "2", "--env", "qa", kill_at=point)
        assert killed.returncode == SIGKILLED, f"point {point}: {killed.stdout}"
        again = rehearsed.run("stage", "2", "--env", "qa")
        assert again.returncode == 0, f"point {point}\n{again.stdout}\n{again.stderr}"
        (job,) = rehearsed.scheduler_jobs()
        assert job.state.name == "ENABLED", f"point {point}"
        assert rehearsed.stored_jobs() == before, f"point {point}"
        assert rehearsed.driver()["driver"] == "cloud", f"point {point}"
    rehearsed.must("history", "--env", "qa")

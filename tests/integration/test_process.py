"""The service as a process: how it starts, refuses to start, and goes down."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

HANDLERS = """
import asyncio
from emonk_ops.tick import declare, handler

@handler("long")
async def long(context):
    await asyncio.sleep(60)

declare("hourly", type="long", schedule={"cron": "0 * * * *"})
"""
Start = Callable[..., "Process"]


class Process:
    """A service in a process of its own, and the log entries it wrote so far."""

    def __init__(self, folder: Path, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.entries: list[dict[str, Any]] = []
        self.begun = time.monotonic()
        self.child = subprocess.Popen(
            [sys.executable, "-m", "emonk_ops.tick"],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "PORT": str(self.port),
                "HOST": "127.0.0.1",
                "SCHEDULER_JSON_PATH": "jobs.jsonl",
                "SCHEDULER_HANDLERS": "my_jobs",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listening(self) -> float:
        """Seconds from the start until the port answered."""
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert self.child.poll() is None, self.child.stderr and self.child.stderr.read()
                assert time.monotonic() - self.begun < 20
                select.select([], [], [], 0.01)
            else:
                return time.monotonic() - self.begun

    def wait_for(self, message: str) -> dict[str, Any]:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.entries.append(json.loads(line))
            if self.entries[-1]["message"] == message:
                return self.entries[-1]
        raise AssertionError(f"never said: {message}; said {self.entries}")

    def end(self) -> int:
        self.child.send_signal(signal.SIGTERM)
        out, err = self.child.communicate(timeout=15)
        assert err == b""
        self.entries += [json.loads(line) for line in out.splitlines()]
        return self.child.returncode


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    (tmp_path / "my_jobs.py").write_text(HANDLERS)
    begun: list[Process] = []

    def start(**environment: str) -> Process:
        begun.append(Process(tmp_path, **environment))
        return begun[-1]

    yield start
    for process in begun:
        if process.child.poll() is None:
            process.child.kill()
        process.child.communicate()


def tick_until_due(url: str) -> None:
    with httpx.Client(base_url=url, timeout=30) as http:
        while http.post("/cron/tick").json()["jobs_executed"] == 0:
            select.select([], [], [], 0.05)


def test_the_service_starts_serves_and_ends_well(start: Start) -> None:
    process = start(SCHEDULER_LEGACY_LOOP="true")
    process.listening()
    body = httpx.get(f"{process.url}/health", timeout=5).json()
    assert body["storage"]["kind"] == "json"
    assert body["paths"]["legacy_loop"] is True
    assert process.end() == 0
    messages = [entry["message"] for entry in process.entries]
    assert messages[:2] == ["Agent Core created", "Scheduler storage initialized"]
    assert messages[-1] == "Service stopped"
    assert all({"severity", "message", "time"} <= set(entry) for entry in process.entries)


def test_its_jobs_are_there_again_after_a_restart(start: Start) -> None:
    first = start()
    first.listening()
    first.end()
    second = start()
    second.listening()
    assert httpx.post(f"{second.url}/cron/tick", timeout=5).json()["epoch"] == 1
    second.end()


def test_sigterm_gives_the_lease_of_a_cancelled_handler_back(start: Start, tmp_path: Path) -> None:
    (tmp_path / "my_jobs.py").write_text(HANDLERS.replace('{"cron": "0 * * * *"}', '{"every": 1}'))
    cloud = start()
    cloud.listening()
    tick = threading.Thread(target=tick_until_due, args=(cloud.url,))
    tick.start()
    cloud.wait_for("Executing job hourly")
    began = time.monotonic()
    assert cloud.end() == 0
    tick.join(timeout=10)
    assert time.monotonic() - began < 10
    assert [e for e in cloud.entries if e["message"] == "Job released"]
    last = (tmp_path / "jobs.jsonl").read_text().splitlines()[-1]
    job = json.loads(last.partition(" ")[2])["job"]
    assert (job["state"], job["lease_id"], job["attempt"]) == ("scheduled", None, 0)


def test_json_storage_on_cloud_run_is_warned_of_at_the_start_and_by_check(
    start: Start, tmp_path: Path
) -> None:
    environment = {
        "K_SERVICE": "emonk-agent",
        "ENVIRONMENT": "qa",
        "TICK_AUDIENCE": "https://a",
        "TICK_INVOKER": "t@p",
    }
    entry = start(**environment).wait_for("Unsafe setting")
    assert entry["severity"] == "WARNING"
    assert "max-instances 1" in entry["problem"]
    done = subprocess.run(
        [sys.executable, "-m", "emonk_ops.tick", "--check"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("warning: SCHEDULER_STORAGE=json on Cloud Run")
    assert "max-instances 1" in done.stdout


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"ENVIRONMENT": "qa"}, ["TICK_AUDIENCE", "TICK_INVOKER"]),
        ({"SCHEDULER_STORAGE": "firestore"}, ["firestore", "VERTEX_AI_PROJECT_ID"]),
        ({"SCHEDULER_HANDLERS": "no_such_module"}, ["no_such_module"]),
        ({"SCHEDULER_CADENCE": "hourly", "PORT": "x"}, ["hourly", "PORT=x"]),
    ],
)
def test_unusable_settings_refuse_to_start_and_say_all_that_is_wrong(
    start: Start, environment: dict[str, str], words: list[str]
) -> None:
    process = start(**environment)
    _, err = process.child.communicate(timeout=20)
    assert process.child.returncode == 1
    assert all(word in err.decode() for word in words)
    assert b"Traceback" not in err

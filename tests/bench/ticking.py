"""The service as a process: how long ticks take under load, and what 100,000 stored jobs cost.

Two clients on loopback tick without a pause, while jobs become due at an even rate; so ticks meet
each other, and most find little to do, as in production.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.json_file import JsonFileStorage
from tests.bench.jobs import due_at, store
from tests.bench.measuring import Figures, median, percentile
from tests.bench.stores import emulator
from tests.bench.tables import show, whole
from tests.bench.worker import ROOT, in_a_process

SECONDS = 20
JOBS_PER_SECOND = 100
CLIENTS = 2
STORED = 100_000
FIRST_AFTER = timedelta(seconds=5)
STARTS_WITHIN_SECONDS = 30.0


def ticking() -> None:
    """Both parts."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [under_load("json file", *json_service(Path(folder)))]
    with emulator() as running:
        if running is not None:
            rows.append(under_load("Firestore emulator", *firestore_service(running.address)))
    head = (
        "storage",
        "ticks",
        "jobs",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "overhead p99 ms",
        "lag p99 s",
    )
    title = (
        f"Ticks of a service on loopback, {CLIENTS} clients, {JOBS_PER_SECOND} jobs due a second"
    )
    show(
        title, head, rows, "As the client measures them. The emulator scans all jobs at each tick."
    )
    holding()


def json_service(folder: Path) -> tuple[JobStorage, dict[str, str]]:
    """A storage to be filled, and the environment of the service that will read it."""
    path = folder / "jobs.jsonl"
    environment = {"SCHEDULER_STORAGE": "json", "SCHEDULER_JSON_PATH": str(path)}
    return JsonFileStorage(path, SystemClock()), environment


def firestore_service(address: str) -> tuple[JobStorage, dict[str, str]]:
    """As `json_service`, in a project of its own on the emulator."""
    from emonk_ops.tick.storage.firestore import FirestoreStorage
    from emonk_ops.tick.storage.firestore_calls import Place

    project = f"bench-{secrets.token_hex(6)}"
    environment = {
        "SCHEDULER_STORAGE": "firestore",
        "GOOGLE_CLOUD_PROJECT": project,
        "FIRESTORE_EMULATOR_HOST": address,
    }
    return FirestoreStorage(Place(project, emulator=address), SystemClock()), environment


def under_load(name: str, storage: JobStorage, environment: dict[str, str]) -> tuple[str, ...]:
    """One row: jobs are stored, the service is started and ticked until the last is long due."""
    asyncio.run(spread(storage))
    with service(environment) as port, ThreadPoolExecutor(CLIENTS) as clients:
        until = time.monotonic() + FIRST_AFTER.total_seconds() + SECONDS
        ticks = [
            tick for found in clients.map(tick_until, [(port, until)] * CLIENTS) for tick in found
        ]
    times = [milliseconds for milliseconds, _ in ticks]
    overheads = [float(report["overhead_ms"]) for _, report in ticks]
    lags = [float(report["lag_seconds"]) for _, report in ticks if report["jobs_executed"]]
    return (
        name,
        whole(len(ticks)),
        whole(sum(report["jobs_succeeded"] for _, report in ticks)),
        *(f"{percentile(times, share):.1f}" for share in (0.5, 0.99, 0.999)),
        f"{percentile(overheads, 0.99):.1f}",
        f"{percentile(lags, 0.99):.2f}",
    )


async def spread(storage: JobStorage) -> None:
    """Store jobs that become due at an even rate, soon."""
    await storage.open()
    now = await storage.clock()
    step = timedelta(seconds=1 / JOBS_PER_SECOND)
    moments = [now + FIRST_AFTER + number * step for number in range(SECONDS * JOBS_PER_SECOND)]
    await store(storage, due_at(moments, now))
    await storage.close()


def tick_until(where: tuple[int, float]) -> list[tuple[float, dict[str, Any]]]:
    """The milliseconds and the report of each tick until that moment."""
    port, until = where
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    while time.monotonic() < until:
        began = time.perf_counter()
        connection.request("POST", "/cron/tick")
        answer = connection.getresponse()
        report = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"a tick was answered with {answer.status}: {report}")
        found.append(((time.perf_counter() - began) * 1000, report))
    connection.close()
    return found


@contextmanager
def service(environment: dict[str, str]) -> Iterator[int]:
    """The tick service on a free port, its log written to the null device."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    own = {
        "PATH": os.environ["PATH"],
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ENVIRONMENT": "local",
        "SCHEDULER_HANDLERS": "tests.bench.handlers",
        **environment,
    }
    argv = [sys.executable, "-m", "emonk_ops.tick"]
    process = subprocess.Popen(argv, cwd=ROOT, env=own, stdout=subprocess.DEVNULL)
    try:
        wait_for(port, process)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    give_up = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the service did not start")


def holding(rounds: int = 3) -> None:
    """Memory with many stored jobs, and how long a json file of them takes to open."""
    rows = []
    memory = [in_a_process("ours:hold", count=STORED) for _ in range(rounds)]
    rows.append(row_of("memory", memory))
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "jobs.jsonl")
        in_a_process("ours:hold", count=STORED, path=path)
        opened = [in_a_process("ours:reopen", path=path) for _ in range(rounds)]
        size = os.path.getsize(path) / 2**20
    rows.append(row_of(f"json file of {size:.0f} MB", opened))
    show(
        f"{STORED:,} stored jobs",
        ("storage", "more memory, MB", "bytes a job", "opened in s"),
        rows,
    )


def row_of(name: str, runs: list[Figures]) -> tuple[str, ...]:
    megabytes, seconds = median(runs, "megabytes"), median(runs, "wall")
    opened = f"{seconds:.2f}" if seconds else "-"
    return (name, whole(megabytes), whole(megabytes * 2**20 / STORED), opened)

"""Our scheduler at work on one of its storages."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.ticks import TickReport
from tests.bench.jobs import DUE, IN_A_DAY, null_device, scheduler_of, seed
from tests.bench.measuring import Figures, measured, resident_mb

WARM_UP = 300
FILLED_AT_ONCE = 2000


@contextmanager
def storage_named(kind: str, address: str = "", claim_mode: str = "batch") -> Iterator[JobStorage]:
    """An empty storage; `address` is where Firestore, or what stands for it, listens."""
    clock = SystemClock()
    if kind == "memory":
        yield MemoryStorage(clock)
    elif kind == "json":
        with tempfile.TemporaryDirectory() as folder:
            yield JsonFileStorage(Path(folder) / "jobs.jsonl", clock)
    else:
        from emonk_ops.tick.storage.firestore import FirestoreStorage
        from emonk_ops.tick.storage.firestore_calls import Place

        place = Place(f"bench-{secrets.token_hex(6)}", emulator=address)
        yield FirestoreStorage(place, clock, claim_mode=claim_mode)


def drain(
    *,
    kind: str,
    count: int,
    handlers: int = 20,
    stored: int = 0,
    warm_up: int = WARM_UP,
    address: str = "",
    claim_mode: str = "batch",
    store: int = 0,
) -> Figures:
    """Ticks until `count` due jobs are done, beside `stored` ones that are due in a day.

    Overhead, operations, reads and writes are those of the last tick; there is only one unless a
    slow store makes it reach its budget.
    """
    with (
        storage_named(kind, address, claim_mode) as storage,
        null_device() as sink,
        asyncio.Runner() as runner,
    ):
        scheduler = scheduler_of(storage, sink, handlers)

        async def begin() -> None:
            await storage.open()
            await scheduler.engine.driver.begin()
            await seed(storage, stored, IN_A_DAY)
            await seed(storage, warm_up, DUE)
            await scheduler.run_tick()
            await seed(storage, count, DUE)

        reports: list[TickReport] = []

        def tick() -> int:
            reports.append(runner.run(scheduler.run_tick()))
            while reports[-1].more_due:
                reports.append(runner.run(scheduler.run_tick()))
            return sum(report.jobs_succeeded for report in reports)

        runner.run(begin())
        found = measured(tick, store)
        runner.run(storage.close())
    report = reports[-1]
    return {
        **found,
        "overhead": report.overhead_ms,
        "operations": report.storage_ops,
        "reads": report.storage_reads,
        "writes": report.storage_writes,
    }


def hold(*, count: int, path: str = "") -> Figures:
    """Store `count` jobs in memory, or in a file at `path`; how much memory that takes."""
    clock = SystemClock()
    storage = JsonFileStorage(path, clock) if path else MemoryStorage(clock)
    before = resident_mb()

    async def fill() -> None:
        await storage.open()
        for begun in range(0, count, FILLED_AT_ONCE):
            await seed(storage, min(FILLED_AT_ONCE, count - begun), IN_A_DAY)

    asyncio.run(fill())
    return {"megabytes": resident_mb() - before, "wall": 0.0}


def reopen(*, path: str) -> Figures:
    """Open a file of jobs: how long it takes, and how much memory."""
    storage = JsonFileStorage(path, SystemClock())
    before, began = resident_mb(), time.perf_counter()
    asyncio.run(storage.open())
    return {"megabytes": resident_mb() - before, "wall": time.perf_counter() - began}

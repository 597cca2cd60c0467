"""Draining due no-op jobs on Firestore: batches against one transaction a job, on Google's emulator
and on the sandbox's Firestore.

Run with `python tests/bench/draining.py [JOBS] [ROUNDS]`. Each run is a worker
process of its own on a project of its own, after a warm-up; ways take turns. CPU is the worker's,
log lines formatted and written to the null device. Prints medians; never fails on a time.

    batch        our scheduler, so many handlers at once
    transaction  our scheduler with SCHEDULER_CLAIM_MODE=transaction
    client       Google's high-level client: query, then 10 threads that claim each job in a
                 transaction and write its result; no lease is checked, no log is written
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import secrets
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from emonk_ops.sandbox import launcher
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator, EmulatorMissing
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import Write
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place

WARM_UP = 300
WAYS = {
    "batch, 20 handlers": "batch:20",
    "batch, 200 handlers": "batch:200",
    "transaction, 20 handlers": "transaction:20",
    "client, 10 threads": "client:10",
}
BASE = "client, 10 threads"
EMBEDDED = ", in the sandbox"


def jobs_of(count: int, now: datetime) -> list[Job]:
    at = now - timedelta(seconds=1)
    return [
        Job(
            id=secrets.token_hex(10),
            type="nothing",
            schedule=Schedule.once(at),
            payload={"n": number},
            state=JobState.SCHEDULED,
            slot=at,
            due_at=at,
            created_at=now,
        )
        for number in range(count)
    ]


def measured(work: Callable[[], int]) -> dict[str, float]:
    """Wall and CPU seconds of this process while `work` drains; it says how many jobs it ran."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    done = work()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"done": done, "wall": wall, "cpu": cpu}


def drain_by_scheduler(mode: str, handlers: int, address: str, count: int) -> dict[str, float]:
    clock = SystemClock()
    registry = HandlerRegistry()

    @registry.handler("nothing")
    async def nothing(_context: HandlerContext) -> None:
        return

    runner = asyncio.Runner()
    storage = FirestoreStorage(
        Place(f"bench-{secrets.token_hex(6)}", emulator=address), clock, claim_mode=mode
    )
    with runner, open(os.devnull, "w") as sink:
        scheduler = CronScheduler(
            storage,
            clock=clock,
            log=Log(clock, lambda line: print(line, file=sink, flush=True)),
            registry=registry,
            limits=Limits(concurrency=handlers),
        )

        async def begin() -> None:
            await storage.open()
            await scheduler.engine.driver.begin()

        async def seed(jobs: int) -> None:
            due = jobs_of(jobs, await storage.clock())
            await storage.write([Write(job, None) for job in due])

        async def drain() -> int:
            return (await scheduler.run_tick()).jobs_succeeded

        runner.run(begin())
        runner.run(seed(WARM_UP))
        runner.run(drain())
        runner.run(seed(count))
        found = measured(lambda: runner.run(drain()))
        runner.run(storage.close())
    return found


def drain_by_client(threads: int, address: str, count: int) -> dict[str, float]:
    os.environ["FIRESTORE_EMULATOR_HOST"] = address
    from google.cloud import firestore

    client: Any = firestore.Client(project=f"bench-{secrets.token_hex(6)}")
    jobs = client.collection("scheduler_jobs")

    @firestore.transactional
    def claim(transaction: Any, reference: Any, now: datetime) -> bool:
        data = reference.get(transaction=transaction).to_dict()
        if data["state"] != "scheduled":
            return False
        lease = {"state": "leased", "lease_until": now + timedelta(seconds=300)}
        transaction.update(reference, lease)
        return True

    def run(snapshot: Any) -> bool:
        if not claim(client.transaction(), snapshot.reference, datetime.now(UTC)):
            return False
        snapshot.reference.update({"state": "succeeded", "due_at": None, "lease_until": None})
        return True

    def drain() -> int:
        now = datetime.now(UTC)
        query = jobs.where(filter=firestore.FieldFilter("due_at", "<=", now)).order_by("due_at")
        return sum(pool.map(run, query.stream()))

    def seed(number: int) -> None:
        writer: Any = client.bulk_writer()
        for job in jobs_of(number, datetime.now(UTC)):
            data = {"state": "scheduled", "due_at": job.due_at, "schedule_at": job.slot}
            writer.create(jobs.document(job.id), {**data, "payload": job.payload})
        writer.close()

    with ThreadPoolExecutor(threads) as pool:
        seed(WARM_UP)
        drain()
        seed(count)
        return measured(drain)


def worker(way: str, address: str, count: int) -> None:
    warnings.simplefilter("ignore")
    mode, _, number = way.partition(":")
    if mode == "client":
        found = drain_by_client(int(number), address, count)
    else:
        found = drain_by_scheduler(mode, int(number), address, count)
    print(json.dumps(found))


def main(count: int = 1000, rounds: int = 5) -> None:
    with TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        try:
            with Emulator() as emulator:
                sandbox = launcher.launch(world, clock="real", empty=True)
                print_table(count, rounds, {"": emulator.address, EMBEDDED: sandbox.grpc})
        except EmulatorMissing as missing:
            print(f"draining on Firestore: skipped, {missing}")
        finally:
            launcher.end(world)


def print_table(count: int, rounds: int, addresses: dict[str, str]) -> None:
    ways = {
        name + place: (way, address)
        for place, address in addresses.items()
        for name, way in WAYS.items()
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (way, address) in ways.items():
            argv = [sys.executable, __file__, "--worker", way, address, str(count)]
            done = subprocess.run(argv, capture_output=True, check=True, timeout=300)
            run = json.loads(done.stdout)
            assert run["done"] == count, (name, run)
            found[name].append(run)
    print(f"{count} due no-op jobs, median of {rounds} (least to most)")
    print("ratios are to", BASE, "on Google's emulator")
    print(f"{'way':40} {'jobs/s':>8} {'':16} {'jobs/CPU s':>10} {'ratio':>6} {'CPU ratio':>9}")
    base = medians(found[BASE], count)
    for name, runs in found.items():
        rate, per_cpu = medians(runs, count)
        rates = [count / run["wall"] for run in runs]
        spread = f"({min(rates):.0f} to {max(rates):.0f})"
        ratios = f"{rate / base[0]:6.1f} {per_cpu / base[1]:9.1f}"
        print(f"{name:40} {rate:8.0f} {spread:16} {per_cpu:10.0f} {ratios}")


def medians(runs: list[dict[str, float]], count: int) -> tuple[float, float]:
    """Jobs per second of wall time, and per second of the worker's CPU."""
    wall = statistics.median(run["wall"] for run in runs)
    return count / wall, count / statistics.median(run["cpu"] for run in runs)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main(*(int(number) for number in sys.argv[1:]))

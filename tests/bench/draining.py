"""Draining due no-op jobs: ours on each storage, one transaction a job, and other schedulers.

Each run is a process of its own, after a warm-up; the ways take turns. Ours writes two log lines a
job, formatted, written and flushed to the null device; the others keep their own default, which
writes none. Ours holds leases with fences and records every result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from emonk_ops.tick.emulator import Emulator
from tests.bench.measuring import Figures, median
from tests.bench.stores import Embedded, Postgres, emulator, installed, postgres, sandbox
from tests.bench.tables import ratio, show, whole
from tests.bench.worker import in_a_process

Way = Callable[[int], Figures]
CLIENT = "transaction a job, Google's client, 10 threads"
BATCH = "ours, Firestore emulator"
EMBEDDED = "ours, the sandbox's Firestore"
BEST_PEER = "APScheduler 3, SQLite with WAL, 10 threads"
NOTE = (
    "CPU s: of the worker. Total: worker and store. Ours with its log on, two lines a job. "
    "APScheduler forgets a job before it runs; SQLite with WAL does not sync each commit, our file "
    "and PostgreSQL do; the emulator keeps everything in memory."
)


def claiming(count: int = 500, rounds: int = 5) -> None:
    """Claim and complete by batch against one transaction a job, on one emulator."""
    with emulator() as running:
        if running is None:
            return
        ways = on_firestore(running)
        runs = take_turns(ways, count, rounds)
    base = runs.get(CLIENT)
    if base is None:
        return
    rows = []
    for name, found in runs.items():
        per_cpu, base_cpu = count / median(found, "cpu"), count / median(base, "cpu")
        rate, base_rate = count / median(found, "wall"), count / median(base, "wall")
        ratios = (ratio(rate / base_rate), whole(per_cpu), ratio(per_cpu / base_cpu))
        rows.append((name, whole(rate), *ratios))
    show(
        f"Claim and complete {count} jobs, median of {rounds}",
        ("way", "jobs/s", "ratio", "jobs/CPU s", "ratio"),
        rows,
        "The ratios are to one transaction a job. Goal: at least 6 a CPU second of the worker.",
    )


def draining(counts: tuple[int, ...] = (1000, 5000), rounds: int = 3) -> None:
    """Every way that is installed, side by side."""
    with everywhere() as ways:
        for count in counts:
            show_drain(take_turns(ways, count, rounds), count, rounds)


def show_drain(runs: dict[str, list[Figures]], count: int, rounds: int) -> None:
    peer = median(runs.get(BEST_PEER, []), "cpu")
    rows = []
    for name, found in runs.items():
        wall, cpu, store = (median(found, figure) for figure in ("wall", "cpu", "store"))
        walls = [count / run["wall"] for run in found]
        rows.append(
            (
                name,
                whole(count / wall),
                f"{min(walls):.0f}-{max(walls):.0f}",
                whole(count / cpu),
                whole(count / (cpu + store)),
                ratio(peer / cpu) if peer else "-",
            )
        )
    head = ("way", "jobs/s", "least-most", "jobs/CPU s", "jobs/total CPU s", "to APScheduler")
    show(f"Draining {count:,} due no-op jobs, median of {rounds}", head, rows, NOTE)


def take_turns(ways: dict[str, Way], count: int, rounds: int) -> dict[str, list[Figures]]:
    """`rounds` runs of each way, one after the other; one that left jobs undone is not counted."""
    runs: dict[str, list[Figures]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found = way(count)
            if found["done"] != count:
                print(f"{name}: a run did {found['done']:g} of {count} jobs, and is not counted")
                continue
            runs[name].append(found)
    return {name: found for name, found in runs.items() if found}


@contextmanager
def everywhere() -> Iterator[dict[str, Way]]:
    """All ways, with the servers that they need."""
    ways: dict[str, Way] = {
        "ours, memory": lambda count: in_a_process("ours:drain", kind="memory", count=count),
        "ours, json file": lambda count: in_a_process("ours:drain", kind="json", count=count),
    }
    if installed(BEST_PEER, "apscheduler", "sqlalchemy"):
        ways[BEST_PEER] = lambda count: in_a_process("peers:apscheduler", count=count)
    with emulator() as firestore, sandbox() as own, postgres() as server:
        if firestore is not None:
            ways |= on_firestore(firestore)
        ways |= on_firestore(own, EMBEDDED)
        if server is not None and installed("procrastinate", "procrastinate", "psycopg"):
            ways["procrastinate, PostgreSQL, 10 at once"] = on_postgres(server)
        yield ways


def on_firestore(running: Emulator | Embedded, name: str = BATCH) -> dict[str, Way]:
    """Our two claim modes on one Firestore; Google's client too on Google's emulator."""
    place = {"address": running.address, "store": running.pid}

    def ours(count: int, handlers: int = 20, mode: str = "batch") -> Figures:
        options = {"handlers": handlers, "claim_mode": mode, **place}
        return in_a_process("ours:drain", kind="firestore", count=count, **options)

    ways: dict[str, Way] = {
        name: ours,
        f"{name}, 100 handlers": lambda count: ours(count, 100),
        f"{name}, transactions": lambda count: ours(count, 20, "transaction"),
    }
    if name == BATCH:
        ways[CLIENT] = lambda count: in_a_process("client:drain", count=count, **place)
    return ways


def on_postgres(server: Postgres) -> Way:
    def run(count: int) -> Figures:
        place = {"conninfo": server.new_database(), "store": server.pid}
        return in_a_process("peers:procrastinate", count=count, **place)

    return run

"""A tick over 100 due jobs, whatever else is stored: time, and counted reads and writes."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.draining import BEST_PEER
from tests.bench.measuring import Figures, median
from tests.bench.stores import emulator, installed, sandbox
from tests.bench.tables import ratio, show, whole
from tests.bench.worker import in_a_process

DUE = 100
SIZES = (100, 1_000, 10_000, 100_000)
# The emulator reads every document of the collection for a query.
SIZES_OF_THE_EMULATOR = (100, 1_000, 10_000)


def stored(rounds: int = 3) -> None:
    """Each storage at each size."""
    largest: dict[str, list[Figures]] = {}
    for kind in ("memory", "json"):
        runs = at_sizes(kind, SIZES, rounds)
        largest[f"ours, {kind}"] = runs[SIZES[-1]]
        show_sizes(f"ours, {kind}", runs)
    with emulator() as running:
        if running is not None:
            place = {"address": running.address, "store": running.pid}
            runs = at_sizes("firestore", SIZES_OF_THE_EMULATOR, rounds, **place)
            show_sizes("ours, Google's Firestore emulator, which scans", runs)
    with sandbox() as own:
        runs = at_sizes("firestore", SIZES, rounds, address=own.address, store=own.pid)
        show_sizes("ours, the sandbox's Firestore", runs)
    if installed(BEST_PEER, "apscheduler", "sqlalchemy"):
        beside = {"count": DUE, "stored": SIZES[-1] - DUE}
        largest[BEST_PEER] = [in_a_process("peers:apscheduler", **beside) for _ in range(rounds)]
    show_largest(largest)


def at_sizes(
    kind: str, sizes: tuple[int, ...], rounds: int, **options: object
) -> dict[int, list[Figures]]:
    """The runs by how many jobs were stored, the due ones among them; the sizes take turns."""
    runs: dict[int, list[Figures]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, found in runs.items():
            beside = {"count": DUE, "stored": size - DUE, "handlers": DUE, **options}
            found.append(in_a_process("ours:drain", kind=kind, **beside))
    return runs


def show_sizes(title: str, runs: dict[int, list[Figures]]) -> None:
    columns: dict[str, Callable[[list[Figures]], str]] = {
        "reads": lambda found: whole(median(found, "reads")),
        "writes": lambda found: whole(median(found, "writes")),
        "calls": lambda found: whole(median(found, "operations")),
        "tick ms": lambda found: f"{median(found, 'wall') * 1000:.1f}",
        "overhead ms": lambda found: f"{median(found, 'overhead'):.1f}",
    }
    base = median(runs[SIZES[0]], "overhead")
    rows = [
        (
            whole(size),
            *(column(found) for column in columns.values()),
            ratio(median(found, "overhead") / base),
        )
        for size, found in runs.items()
    ]
    show(f"{DUE} due jobs: {title}", ("stored", *columns, "ratio"), rows)


def show_largest(runs: dict[str, list[Figures]]) -> None:
    peer = median(runs.get(BEST_PEER, []), "wall")
    rows = []
    for name, found in runs.items():
        wall, cpu = median(found, "wall"), median(found, "cpu")
        rows.append(
            (name, f"{wall * 1000:.1f}", f"{cpu * 1000:.1f}", ratio(peer / wall) if peer else "-")
        )
    title = f"{DUE} due jobs found and run among {SIZES[-1]:,} stored"
    show(title, ("scheduler", "ms", "CPU ms", "APScheduler's time to it"), rows)

"""Wall and CPU seconds of a piece of work: this process's, and those of the store beside it."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Figures = dict[str, float]
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def measured(work: Callable[[], int], store: int = 0) -> Figures:
    """How many jobs `work` says it ran, its seconds, and the CPU of the store's process tree.

    The store's CPU comes from /proc, in steps of a hundredth of a second; 0 where the store lives
    in this process. What was made before is collected first, so that none of it is counted.
    """
    gc.collect()
    store_before, before, began = tree_cpu(store), _own_cpu(), time.perf_counter()
    done = work()
    wall = time.perf_counter() - began
    cpu, store_cpu = _own_cpu() - before, tree_cpu(store) - store_before
    return {"done": done, "wall": wall, "cpu": cpu, "store": store_cpu}


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process, its children, and those of them that have ended."""
    if not pid:
        return 0.0
    total = 0.0
    for member in (pid, *_children(pid)):
        try:
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue
        # utime and stime, and of the root those of its ended children too.
        total += sum(int(field) for field in fields[11 : 15 if member == pid else 13])
    return total / TICKS_PER_SECOND


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_children(int(child))]
    return found


def resident_mb(pid: int | str = "self") -> float:
    """Megabytes of memory that the process holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def median(runs: Sequence[Figures], name: str) -> float:
    """The median of one figure; 0 without runs."""
    return statistics.median(run[name] for run in runs) if runs else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

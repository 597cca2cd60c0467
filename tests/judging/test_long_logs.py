"""A log of days needs no more memory than one of hours; `make judge` has the 30 days and times."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

from emonk_ops.operations.judging.comparison import compare, read_file
from emonk_ops.rollout.model import Verdict
from emonk_ops.settings import Environment, Target
from tests.bench.judging import write_days


def peak_of(path: Path, days: int) -> tuple[int, int]:
    """(bytes at most while it was read and judged, entries)."""
    env = Environment("qa", Target.SANDBOX, "p", cadence="* * * * *", time_zone="UTC")
    jobs = write_days(path, days)
    tracemalloc.start()
    try:
        with read_file(path) as spool:
            found = compare(spool, jobs, env, certified=False)
            peak = tracemalloc.get_traced_memory()[1]
            entries = spool.seen.entries
    finally:
        tracemalloc.stop()
    assert found.judgement.verdict is Verdict.PASS, found.judgement.rulings
    return peak, entries


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    # Longer than what is held to put entries in order, so that this is full in both.
    short, few = peak_of(tmp_path / "2.jsonl", 2)
    long, many = peak_of(tmp_path / "5.jsonl", 5)
    assert many > 2.4 * few
    assert long < 1.1 * short

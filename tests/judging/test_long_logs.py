"""A log of days needs no more memory than one of hours; `make judge` has the 30 days and times."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.judging import measured_alone, write_days


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc for a peak")
def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    found = []
    # The shorter one is longer than what is held to put entries in order.
    for days in (2, 5):
        path = tmp_path / f"{days}.jsonl"
        write_days(path, days)
        found.append(measured_alone(path, certified=False))
    short, long = found
    assert long["entries"] > 2.4 * short["entries"]
    assert (short["verdict"], long["verdict"]) == ("PASS", "PASS")
    assert long["peak_mb"] < 1.1 * short["peak_mb"]

"""The emergency rollback from stage 4 in a sandbox whose APIs are slow, or one of them down."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emonk_ops.operations.emergency import MOVED_SECONDS, STOPPED_SECONDS
from tests.bench.tables import show
from tests.chaos.stage_4 import Stage4, at_stage_4

ROUNDS = 5
FIRESTORE = "google.firestore.v1.Firestore/*"
SLOW = {"every API call 200 ms later": {"method": "*", "latency": 0.2}}
CASES: Mapping[str, Mapping[str, Any]] = {
    "nothing is wrong": {},
    **SLOW,
    "Firestore is down": {"method": FIRESTORE, "code": "UNAVAILABLE"},
}


def emergency() -> None:
    """Each run is a process from a cold start, on a machine that has never seen the rollout."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, at_stage_4(Path(folder)) as stage_4:
        before = set(stage_4.before.jobs)
        for name, fault in CASES.items():
            rows += [_row(name, _once(stage_4, fault), before) for _ in range(ROUNDS)]
    head = ["seconds after Enter", "stopped", "moved, verified", "ended", "exit", "jobs not there"]
    note = f"Budgets: stopped within {STOPPED_SECONDS:g} s, moved within {MOVED_SECONDS:g} s."
    show(f"Emergency rollback, {ROUNDS} cold starts each", head, rows, note)


def _once(stage_4: Stage4, fault: Mapping[str, Any]) -> dict[str, Any]:
    found = stage_4.in_an_emergency(fault, clock=time.perf_counter)
    stage_4.back()
    return found


def _row(name: str, found: Mapping[str, Any], before: set[str]) -> list[str]:
    data = found["data"]
    missing = ", ".join(sorted(before - found["jobs"])) or "none"
    return [
        name,
        f"{data['stopped_seconds']:.1f}",
        f"{data['moved_seconds']:.1f}",
        f"{found['wall']:.1f}",
        str(found["code"]),
        missing,
    ]

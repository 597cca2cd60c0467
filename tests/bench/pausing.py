"""Pausing the Cloud Scheduler job from a cold start: ours and gcloud's, on the same sandbox."""

from __future__ import annotations

import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.bench.tables import ratio, show
from tests.rehearsal.injecting import Operator, sandbox

ROUNDS = 15
JOB, LOCATION = "emonk-agent-tick", "us-central1"
OURS = (sys.executable, "-m", "emonk_ops", "scheduler", "pause", "--env", "qa", "--reason", "bench")
THEIRS = ("gcloud", "scheduler", "jobs", "pause", JOB, "--location", LOCATION, "--quiet")


def pausing() -> None:
    """Interleaved runs; each finds the job enabled and must leave it paused."""
    programs: dict[str, tuple[str, ...]] = {"emonk-ops scheduler pause": OURS}
    if shutil.which("gcloud"):
        programs["gcloud scheduler jobs pause"] = THEIRS
    with tempfile.TemporaryDirectory() as folder, sandbox(Path(folder)) as operator:
        environment = {**os.environ, **_exports(operator.folder)}
        times: dict[str, list[float]] = {name: [] for name in programs}
        for round_ in range(ROUNDS + 1):
            for name, argv in programs.items():
                took = _paused(operator, argv, environment)
                if round_:  # the first one fills caches of the disk
                    times[name].append(took)
    base = statistics.median(times["emonk-ops scheduler pause"])
    rows = [
        [
            name,
            f"{statistics.median(found):.2f}",
            f"{min(found):.2f}",
            f"{max(found):.2f}",
            ratio(base / statistics.median(found)),
        ]
        for name, found in times.items()
    ]
    note = "" if len(programs) == 2 else "gcloud is not installed: ours stands alone."
    head = ["program, from a cold start", "median s", "min s", "max s", "ours / it"]
    show(f"Pausing the job, {ROUNDS} interleaved runs each", head, rows, note)


def _paused(operator: Operator, argv: tuple[str, ...], environment: Mapping[str, str]) -> float:
    jobs = operator.tools.jobs
    jobs.resume()
    began = time.perf_counter()
    subprocess.run(argv, cwd=operator.folder, env=environment, capture_output=True, check=True)
    took = time.perf_counter() - began
    job = jobs.describe()
    assert job is not None
    assert job.state == "PAUSED", argv
    return took


def _exports(folder: Path) -> dict[str, str]:
    """What `eval "$(emonk-ops sandbox env)"` sets."""
    words = (sys.executable, "-m", "emonk_ops", "sandbox", "env")
    ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    pairs = (shlex.split(line)[1].partition("=") for line in ran.stdout.splitlines())
    return {name: value for name, _, value in pairs}

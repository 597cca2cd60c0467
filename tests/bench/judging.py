"""The judge: what it finds in simulated hours beside a significance test, and 30 days in a file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from emonk_ops.operations.analysis.records import CRON, Decision, Record
from emonk_ops.operations.analysis.stream import Pass, noted
from emonk_ops.operations.judging.comparison import compare, read_file
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.judging.rules import DISPATCH_SECONDS
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.settings import Environment, Target
from tests.bench.kayenta import like_kayenta
from tests.bench.tables import show, whole
from tests.judging.exported import as_lines
from tests.judging.model import BEGIN, BREACHES, DEFECTS, LOSSES, World

ROOT = Path(__file__).parents[2]
# (pairs, minutes of the cadence, hours, runs of each defect)
SIZES = ((12, 5, 1.0, 25), (60, 1, 1.0, 25), (300, 1, 5.2, 7))
DAYS = 30
DAY_JOBS = 2


def judging() -> None:
    """The table; raises AssertionError where a breach or missing data was passed."""
    rows, hours, passed = [], 0.0, Counter[str]()
    began = time.process_time()
    for defect in DEFECTS:
        for pairs, minutes, length, runs in SIZES:
            ours, theirs = Counter[str](), Counter[str]()
            for seed in range(runs):
                world = World(seed, minutes, length, defect=defect)
                told = world.records()
                ours[judged(world, told).verdict.value] += 1
                theirs[like_kayenta(_ended(told))] += 1
            hours += length * runs
            passed[defect] += ours["PASS"]
            rows.append(_row(defect, pairs, ours, theirs, runs))
    spent = time.process_time() - began
    show(
        f"Verdicts over {hours:,.0f} simulated hours, by planted defect and pairs",
        ("planted", "pairs", "FAIL", "INCONCLUSIVE", "PASS", "test: fails", "test: passes"),
        rows,
        "FAIL on `none` is a false alarm. `test` is a Mann-Whitney test of durations, "
        "seconds late, errors and runs a slot by path (98 %, tolerance 0.25). "
        f"{spent:.0f} s of CPU.",
    )
    wrong = [name for name in (*BREACHES, *LOSSES) if passed[name]]
    assert not wrong, f"passed with {wrong} planted"


def judged(world: World, told: Sequence[Record]) -> Judgement:
    seen = Pass()
    records = list(noted(told, seen))
    return judge(records, world.definitions(), world.rules(), seen)


def _row(
    defect: str, pairs: int, ours: Counter[str], theirs: Counter[str], runs: int
) -> tuple[str, ...]:
    shares = [ours[name] / runs for name in ("FAIL", "INCONCLUSIVE", "PASS")]
    shares += [theirs["FAIL"] / runs, theirs["PASS"] / runs]
    return (defect, whole(pairs), *(f"{share:.0%}" for share in shares))


def _ended(told: Sequence[Record]) -> dict[str, tuple[list[float], list[float]]]:
    """Per metric, the values of the loop's runs and of the ticks'."""
    metrics: dict[str, tuple[list[float], list[float]]] = {
        name: ([], []) for name in ("duration", "late", "error", "runs")
    }
    runs: Counter[tuple[str, object]] = Counter()
    for one in told:
        if not isinstance(one, Decision) or one.decision != "end":
            continue
        side = one.path == CRON
        metrics["duration"][side].append(one.duration_ms)
        metrics["late"][side].append(max(0.0, one.lateness_seconds - DISPATCH_SECONDS))
        metrics["error"][side].append(float(one.outcome == "failed"))
        runs[one.path, one.slot] += 1
    for (path, _), count in runs.items():
        metrics["runs"][path == CRON].append(float(count))
    return metrics


def analysis() -> None:
    """30 days of ticks each minute with their decisions, from a file, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for days in (1, DAYS):
            path = Path(folder) / f"{days}.jsonl"
            write_days(path, days)
            found = measured_alone(path, certified=True)
            rows.append(
                (
                    f"{days} days, {days * 1440:,} ticks",
                    whole(found["entries"]),
                    whole(path.stat().st_size / 2**20),
                    f"{found['read']:.1f}",
                    f"{found['judge']:.1f}",
                    f"{found['certificate']:.1f}",
                    whole(found["peak_mb"]),
                )
            )
    head = ("log", "entries", "file MB", "read s", "judge s", "certificate s", "peak MB")
    show("Analysis of a log from a file", head, rows, "CPU seconds; peak of the whole process.")


def write_days(path: Path, days: int) -> None:
    """A log of so many days, one tick a minute on each path, written day by day."""
    world = World(0, jobs=DAY_JOBS)
    hours = 24 - world.rules().horizon / timedelta(hours=1)
    with path.open("w") as file:
        for day in range(days):
            begin = BEGIN + timedelta(days=day)
            one = World(day, hours=hours, jobs=DAY_JOBS, begin=begin, numbers=world.numbers)
            file.write(as_lines(one.records(), f"{day}-"))


def measured(path: Path, certified: bool) -> dict[str, Any]:
    """Read and judge, in CPU seconds; the certificate is the same judge five times more."""
    env = Environment("qa", Target.SANDBOX, "p", cadence="* * * * *", time_zone="UTC")
    jobs = World(0, jobs=DAY_JOBS).definitions()
    began = time.process_time()
    with read_file(path) as spool:
        read = time.process_time()
        found = compare(spool, jobs, env, certified=False)
        judged_at = time.process_time()
        if certified:
            compare(spool, jobs, env)
        ended = time.process_time()
        entries = spool.seen.entries
    return {
        "entries": entries,
        "verdict": found.judgement.verdict.value,
        "read": read - began,
        "judge": judged_at - read,
        "certificate": max(0.0, ended - judged_at - (judged_at - read)),
        "peak_mb": peak_kb() / 1024,
    }


def peak_kb() -> int:
    """Of this program alone: `ru_maxrss` would begin at what the parent had when it forked."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def measured_alone(path: Path, *, certified: bool) -> dict[str, Any]:
    """The same in a process of its own, so that the peak is its own."""
    argv = [sys.executable, "-m", "tests.bench.judging", str(path), *["certified"] * certified]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]), "certified" in sys.argv)))

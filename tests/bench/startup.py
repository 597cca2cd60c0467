"""Start-up of the command line beside a bare Typer program, and what `--help` imports.

Run with `make bench`. Prints medians and ratios of interleaved runs; never fails on a time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 15
BARE_PROGRAM = """\
import os, sys
if not sys.stdout.isatty():
    os.environ.setdefault("TYPER_USE_RICH", "0")
import typer
app = typer.Typer()
for number in range(20):
    def command(env: str = "qa", plan: bool = False) -> None:
        "One of twenty commands."
    app.command(f"command-{number}")(command)
app()
"""


def seconds(argv: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(argv, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE_PROGRAM)
        rows: dict[str, list[str]] = {
            "bare Typer program, --help": [sys.executable, str(bare), "--help"],
            "emonk-ops --help": [sys.executable, "-m", "emonk_ops", "--help"],
            "emonk-ops --version": [sys.executable, "-m", "emonk_ops", "--version"],
        }
        times: dict[str, list[float]] = {name: [] for name in rows}
        for argv in rows.values():
            seconds(argv)
        for _ in range(ROUNDS):
            for name, argv in rows.items():
                times[name].append(seconds(argv))
    base = statistics.median(times["bare Typer program, --help"])
    print(f"{'program':32} {'median ms':>10} {'min ms':>8} {'ratio':>6}")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:32} {median * 1000:10.0f} {min(values) * 1000:8.0f} {median / base:6.2f}")


if __name__ == "__main__":
    main()

"""Plays the acts as real processes of the command line, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from emonk_ops.clock import Stopwatch
from emonk_ops.rehearsal.acts import OURS, Act
from emonk_ops.rehearsal.watcher import Watcher

MOST_SECONDS_PER_ACT = 600.0
Sink = Callable[[str], None]  # a line of what a command says


@dataclass(frozen=True)
class Played:
    """An act that was played. `missing` are the words that it did not say."""

    act: Act
    exit_code: int
    seconds: float
    missing: tuple[str, ...] = ()

    @property
    def as_expected(self) -> bool:
        return self.exit_code == self.act.expected and not self.missing

    @property
    def verdict(self) -> str:
        if self.exit_code != self.act.expected:
            return f"EXPECTED exit {int(self.act.expected)}"
        return f"DID NOT SAY {', '.join(self.missing)}" if self.missing else "as expected"


class Theatre:
    """A folder in which commands are typed; what they say goes line by line to a sink."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def play(self, act: Act, sink: Sink) -> Played:
        stopwatch = Stopwatch()
        program = [sys.executable, "-m", "emonk_ops"] if act.program == OURS else [act.program]
        process = subprocess.Popen(
            [*program, *act.argv],
            cwd=self.folder,
            env=self._environment(act.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        end = threading.Timer(MOST_SECONDS_PER_ACT, process.kill)
        end.start()
        missing = set(act.shows)
        with process, Watcher(self.folder, act.killed_at, process.kill):
            assert process.stdout is not None
            for line in process.stdout:
                missing -= {word for word in missing if word in line}
                sink(line.rstrip("\n"))
        end.cancel()
        return Played(act, process.returncode, stopwatch.seconds, tuple(sorted(missing)))

    def close(self, sink: Sink) -> None:
        """Stop the sandbox, whatever happened."""
        self.play(Act("", ("sandbox", "down")), sink)

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("EMONK_")}
        own.pop("VIRTUAL_ENV", None)  # the service's tests run with this same interpreter
        return {**own, "PYTHONUNBUFFERED": "1", **extra, "EMONK_ACTOR": "rehearsal"}

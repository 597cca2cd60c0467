"""Plays the acts as real processes of the command line, in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from emonk_ops.clock import Stopwatch
from emonk_ops.rehearsal.story import Act

MOST_SECONDS_PER_ACT = 300.0
NO_ANSWER = 124  # what `timeout` of coreutils says of a command it had to end


@dataclass(frozen=True)
class Played:
    """An act that was played."""

    act: Act
    exit_code: int
    seconds: float

    @property
    def as_expected(self) -> bool:
        return self.exit_code == self.act.expected


class Theatre:
    """A folder in which commands are typed. Output goes straight to this process's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def play(self, act: Act) -> Played:
        stopwatch = Stopwatch()
        process = subprocess.Popen(
            [sys.executable, "-m", "emonk_ops", *act.argv],
            cwd=self.folder,
            env=self._environment(act.env),
            stdin=subprocess.DEVNULL,
        )
        try:
            exit_code = process.wait(timeout=MOST_SECONDS_PER_ACT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            exit_code = NO_ANSWER
        return Played(act, exit_code, stopwatch.seconds)

    def play_all(self, acts: Iterable[Act]) -> Iterator[Played]:
        """Stops after the first act that does not end as expected."""
        for act in acts:
            played = self.play(act)
            yield played
            if not played.as_expected:
                return

    def close(self) -> None:
        """Stop the sandbox, whatever happened."""
        self.play(Act("", ("sandbox", "down")))

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("EMONK_")}
        own.pop("VIRTUAL_ENV", None)  # the service's tests run with this same interpreter
        return {**own, **extra, "EMONK_ACTOR": "rehearsal"}

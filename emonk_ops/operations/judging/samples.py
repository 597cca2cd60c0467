"""Pairs of adjacent slots of one job, run by the two paths; a bounded number of them is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from emonk_ops.operations.analysis.records import CRON, Decision
from emonk_ops.operations.judging.slots import SlotFacts

MOST_KEPT = 400
SHORTEST_MS = 10.0  # below it a duration is the machine's noise


@dataclass
class Sample:
    """Numbers, thinned evenly once there are too many; `n` counts all of them."""

    values: list[float] = field(default_factory=list)
    n: int = 0
    _stride: int = 1

    def add(self, value: float) -> None:
        if self.n % self._stride == 0:
            self.values.append(value)
            if len(self.values) > MOST_KEPT:
                del self.values[1::2]
                self._stride *= 2
        self.n += 1


@dataclass(slots=True)
class _Run:
    duration_ms: float
    lateness_seconds: float
    failed: bool


@dataclass
class Pairs:
    """The ratios are logarithms, ticks over loop; the A/A ones compare a path with itself."""

    durations: Sample = field(default_factory=Sample)
    durations_again: Sample = field(default_factory=Sample)  # A/A
    lateness: Sample = field(default_factory=Sample)  # seconds, ticks minus loop
    lateness_again: Sample = field(default_factory=Sample)
    errors_of_tick: int = 0
    errors_of_loop: int = 0
    errors_of_both: int = 0
    n: int = 0
    runs_of_tick: int = 0
    failed_of_tick: int = 0
    _open: dict[tuple[str, bool], _Run] = field(default_factory=dict)
    _last: dict[tuple[str, bool], _Run] = field(default_factory=dict)

    def add(self, facts: SlotFacts, won: Decision, *, timed: bool) -> None:
        """A slot that its owner ran; `timed` where its lateness may be compared."""
        ticked = won.path == CRON
        run = _Run(won.duration_ms, facts.lateness_seconds, _failed(facts))
        self.runs_of_tick += ticked
        self.failed_of_tick += ticked and run.failed
        self._again(facts.job_id, ticked, run, timed)
        other = self._open.pop((facts.job_id, not ticked), None)
        if other is None:
            self._open[facts.job_id, ticked] = run
            return
        tick, loop = (run, other) if ticked else (other, run)
        self._pair(tick, loop, timed)

    def _pair(self, tick: _Run, loop: _Run, timed: bool) -> None:
        self.n += 1
        self.errors_of_tick += tick.failed and not loop.failed
        self.errors_of_loop += loop.failed and not tick.failed
        self.errors_of_both += loop.failed and tick.failed
        if not tick.failed and not loop.failed:
            self.durations.add(_ratio(tick, loop))
        if timed:
            self.lateness.add(tick.lateness_seconds - loop.lateness_seconds)

    def _again(self, job_id: str, ticked: bool, run: _Run, timed: bool) -> None:
        before = self._last.pop((job_id, ticked), None)
        if before is None:
            self._last[job_id, ticked] = run
            return
        if not before.failed and not run.failed:
            self.durations_again.add(_ratio(run, before))
        if timed:
            self.lateness_again.add(run.lateness_seconds - before.lateness_seconds)


def _ratio(one: _Run, other: _Run) -> float:
    return math.log(max(one.duration_ms, SHORTEST_MS) / max(other.duration_ms, SHORTEST_MS))


def _failed(facts: SlotFacts) -> bool:
    return any(end.outcome in ("failed", "stuck") for end in facts.ends)

"""Runs of jobs as their lines go by: a slot that ended twice, overlapped another, or was late."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime

from emonk_ops.operations.acceptance.stretch import Counted, example
from emonk_ops.operations.analysis.records import Run

REMEMBERED_SLOTS = 20_000
OVER = ("succeeded", "failed", "dead", "released", "stale")


@dataclass
class _Slot:
    """One slot of one job: runs that are under way by fence, and the fences that succeeded."""

    running: dict[int, datetime] = field(default_factory=dict)
    succeeded: set[int] = field(default_factory=set)


class Runs:
    """Feed it the lines in their order; what is wrong is noted in the `Counted` of the moment.

    A slot runs again only after its run ended or its lease expired. Two successes of a slot are a
    duplicate execution; a run that begins within the lease of another breaks the lock.
    """

    def __init__(self, lease_seconds: float, window_seconds: float) -> None:
        self._lease = lease_seconds
        self._window = window_seconds
        self._slots: OrderedDict[tuple[str, datetime], _Slot] = OrderedDict()

    def feed(self, run: Run, counted: Counted) -> None:
        slot = self._of(run)
        name = f"{run.job_id} {run.slot:%Y-%m-%dT%H:%M:%SZ}"
        if run.kind == "executing":
            counted.runs_told += 1
            self._begins(run, slot, name, counted)
        elif run.kind in OVER:
            slot.running.pop(run.fence, None)
        if run.kind == "succeeded":
            slot.succeeded.add(run.fence)
            if len(slot.succeeded) == 2:
                counted.doubled_count += 1
                example(counted.doubled, name)
            self._is_late(run, name, counted)

    def _begins(self, run: Run, slot: _Slot, name: str, counted: Counted) -> None:
        for fence, began in slot.running.items():
            if fence != run.fence and (run.at - began).total_seconds() < self._lease:
                counted.overlapping_count += 1
                example(counted.overlapping, f"{name} (fences {fence} and {run.fence})")
        slot.running[run.fence] = run.at

    def _is_late(self, run: Run, name: str, counted: Counted) -> None:
        seconds = (run.at - run.slot).total_seconds()
        if run.attempt <= 1 and seconds > self._window:
            counted.late_count += 1
            example(counted.late, f"{name} ({seconds:.0f} s)")

    def _of(self, run: Run) -> _Slot:
        key = (run.job_id, run.slot)
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot()
            if len(self._slots) > REMEMBERED_SLOTS:
                self._slots.popitem(last=False)
        return slot

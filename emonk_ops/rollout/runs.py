"""A run of a command, and the way back that a stage's run wrote down before it changed anything."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass
class Run:
    """One command that could change something."""

    id: str
    command: str  # stage | rollback | scheduler
    stage: int | None
    started_at: datetime
    who: Mapping[str, Any]
    title: str = ""
    reason: str = ""
    ended_at: datetime | None = None
    status: str = ""  # empty while it has not ended
    exit_code: int | None = None
    summary: str = ""
    changed: bool = False
    undid: set[int] = field(default_factory=set)  # stages that it rolled back
    broke_off: bool = False  # a step failed, and may have done half of its work

    @property
    def stopped_half_way(self) -> bool:
        if self.status == "error":
            return self.broke_off
        return self.status in ("", "interrupted", "restore_incomplete")


@dataclass
class Capture:
    """What a stage found before it changed anything, and what became of it."""

    seq: int
    stage: int
    run: str
    at: datetime
    facts: Mapping[str, Any]
    begun: set[str] = field(default_factory=set)  # steps that began and are not known to be idle
    changed: bool = False  # a step is known to have changed something since
    settled: bool = False  # the stage passed on top of it
    void: bool = False  # passed with nothing to undo, or an older capture undoes it as well
    rolled_back: bool = False
    idle: bool = False  # its run ended and left nothing changed

    @property
    def can_be_rolled_back(self) -> bool:
        return bool(self.begun) and not self.void and not self.rolled_back


Key = tuple[str, int | None]


def left_half_way(runs: Iterable[Run], *, apart: Collection[str]) -> tuple[Run, ...]:
    """Runs that stopped half way and whose command has not ended since.

    What runs of the commands `apart` left is told elsewhere, or is nothing.
    """
    left: dict[Key, Run] = {}
    for run in runs:
        if run.command in apart:
            continue
        key = (run.command, run.stage if run.command == "stage" else None)
        if run.stopped_half_way:
            left[key] = run
            continue
        for other in _answered_by(run, left):
            del left[other]
        if run.status != "refused":
            left.pop(key, None)
    return tuple(left.values())


def _answered_by(run: Run, left: Mapping[Key, Run]) -> list[Key]:
    """What nobody can or need go on with after this run ended.

    A rollback ends other rollbacks, the stages it undid and those above, and a drill of the same
    way. A stage that is done ends its drill: it went forth again.
    """
    if run.command.startswith("rollback"):
        lowest = min({run.stage or 0, *run.undid})
        return [
            key
            for key, one in left.items()
            if key[0].startswith("rollback")
            or (key[0] in ("stage", "drill") and (one.stage or 0) >= lowest)
        ]
    done = run.command == "stage" and run.status == "done"
    return [
        key for key, one in left.items() if done and key[0] == "drill" and one.stage == run.stage
    ]

"""Commands that are killed from stage 4 or 5 on, what is typed next, and where that must lead."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

Shape = tuple[str, str, str]  # storage, driver, state of the Cloud Scheduler job
AT_STAGE_4: Shape = ("firestore", "cloud", "ENABLED")
RESTORE = ("inject", "restore", "--all")
KINDS = {"journal": 14, "call": 8, "inside": 4}  # kind -> how many events most commands have
LOCAL_KINDS = {**KINDS, "local": 33, "running": 3}
CLEAN_UP = (
    *("stage", "5", "--yes", "--source", "agent", "--apply"),
    *("--confirm=point-of-no-return=crash test", "--confirm=team-trained=crash test"),
)


@dataclass(frozen=True)
class Killed:
    """`then` is what is typed after it; nothing for the very same words again."""

    name: str
    words: tuple[str, ...]
    then: tuple[str, ...] = ()
    shape: Shape = AT_STAGE_4
    begins_at: int = 4

    @property
    def cleans(self) -> bool:
        return self.words[0] == "stage"

    @property
    def kinds(self) -> Mapping[str, int]:
        return LOCAL_KINDS if self.cleans else KINDS

    @property
    def injects(self) -> bool:
        return self.words[0] == "inject"

    @property
    def goes_back(self) -> bool:
        return self.words[0] == "rollback"

    @property
    def next(self) -> tuple[str, ...]:
        return self.then or self.words

    def __str__(self) -> str:
        return self.name


def _injection(*words: str) -> Killed:
    return Killed(" ".join(words), ("inject", *words), RESTORE)


COMMANDS = (
    _injection("duplicate-trigger", "--via", "scheduler"),
    _injection("duplicate-trigger", "--via", "http"),
    _injection("restart", "--mode", "drain"),
    _injection("restart", "--mode", "kill"),
    _injection("firestore-outage", "--mode", "iam"),
    _injection("firestore-outage", "--mode", "transient"),
    _injection("overdue-job"),
    _injection("slow-tick"),
    _injection("missed-ticks"),
    _injection("bad-auth"),
    Killed("rollback", ("rollback", "--yes"), shape=("json", "shadow", "ENABLED")),
    Killed("partial", ("rollback", "--partial", "--yes"), shape=("json", "cloud", "ENABLED")),
    Killed("emergency", ("rollback", "--emergency"), shape=("json", "legacy", "PAUSED")),
    Killed("to stage 1", ("rollback", "--to", "1", "--yes"), shape=("json", "legacy", "PAUSED")),
    Killed("clean-up", CLEAN_UP),
    Killed("back from stage 5", ("rollback", "--yes"), begins_at=5),
)


@dataclass(frozen=True)
class Point:
    """`elsewhere`: what is typed next is typed on another machine that shares the journal."""

    command: Killed
    event: str  # kind:number, as crashing_cli.py takes it
    elsewhere: bool

    def __str__(self) -> str:
        where = " elsewhere" if self.elsewhere else ""
        return f"{self.command} at {self.event}, then {' '.join(self.command.next)}{where}"


def every_point(command: Killed, events: Mapping[str, int]) -> list[Point]:
    """All of what was counted. Every third goes on elsewhere."""
    found = [f"{kind}:{one}" for kind in command.kinds for one in range(1, events[kind] + 1)]
    return [Point(command, event, number % 3 == 2) for number, event in enumerate(found)]


def some_points(command: Killed, count: int, seed: int) -> list[Point]:
    """Drawn without counting first: what has fewer events lives, and must end well too."""
    return random.Random(f"{seed} {command}").sample(every_point(command, command.kinds), count)

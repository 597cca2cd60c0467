"""Back and forth between stages 2 and 4, the command line killed on the way; what must hold then.

Each point is one command, one event at which it is killed, and what is typed next.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.operations import carried_file
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.standing import Standing

from .rehearsed import SIGKILLED, Rehearsed, Typed

SAID = "--confirm=no-performance-degradation=nobody calls it"
TRIED = "--confirm=failures-handled=tried by hand"
AGAIN, BACK, FORTH = "again", "rollback", "stage 4"
COMMANDS: dict[str, tuple[str, ...]] = {
    "stage 3": ("stage", "3", SAID),
    "stage 4": ("stage", "4", TRIED),
    "drill": ("rollback", "drill"),
    "rollback": ("rollback",),
}
FOLLOWS = {
    "stage 3": (AGAIN, BACK),
    "stage 4": (AGAIN, BACK),
    "drill": (AGAIN, BACK, FORTH),
    "rollback": (AGAIN,),
}
# (storage, driver, Cloud Scheduler's job) where this stage is the newest that has passed
SHAPES = {
    1: ("json", "legacy", ("PAUSED", "absent")),
    2: ("json", "cloud", ("ENABLED",)),
    3: ("json", "shadow", ("ENABLED",)),
    4: ("firestore", "cloud", ("ENABLED",)),
}
QUIET_AGAIN = timedelta(minutes=10)
MOST_QUIET = 6


@dataclass(frozen=True)
class Point:
    command: str
    event: str  # kind:number, as crashing_cli.py takes it
    follow: str

    def __str__(self) -> str:
        return f"{self.command} at {self.event}, then {self.follow}"


class Walk:
    """Where the rollout is, and every step from there, checked."""

    def __init__(self, world: Rehearsed) -> None:
        self._world = world
        self.at = 2
        self._fences = world.fences()
        self.killed = 0

    def lap(self) -> dict[str, dict[str, int]]:
        """Every command once, unharmed: how many events of each kind it has. Ends at stage 2."""
        counted = {}
        for command in ("stage 3", "stage 4", "drill", "rollback"):
            counted[command] = self._plainly(command).events
        self._resumed()
        self._back("after the first lap")
        return counted

    def play(self, points: Iterable[Point]) -> None:
        """All points, on as few ways as they need."""
        queues: dict[str, list[Point]] = {name: [] for name in COMMANDS}
        for point in points:
            queues[point.command].append(point)
        while any(queues.values()):
            command = self._next(queues)
            if queues[command]:
                self._killed(queues[command].pop())
            else:
                self._plainly(command)

    def _next(self, queues: dict[str, list[Point]]) -> str:
        if self.at < 3:
            return "stage 3"
        if self.at == 3:
            if queues["stage 3"] and not any(
                queues[name] for name in COMMANDS if name != "stage 3"
            ):
                return "rollback"
            return "stage 4"
        return "drill" if queues["drill"] else "rollback"

    def _plainly(self, command: str) -> Typed:
        if self.at < 2:
            self._typed("stage 2", ("stage", "2"), "on the way")
            self._stands(2, "stage 2, on the way")
        if command == "rollback":
            return self._back("on the way")
        done = self._typed(command, COMMANDS[command], "on the way")
        self._stands({"stage 3": 3}.get(command, 4), f"{command}, on the way")
        return done

    def _killed(self, point: Point) -> None:
        command, why = COMMANDS[point.command], str(point)
        if self.at < 2:
            self._typed("stage 2", ("stage", "2"), why)
            self._stands(2, why)
        ended = self._world.run(*self._argv(command), kill_at=point.event)
        if ended.code != SIGKILLED:
            # It had fewer events than on the first lap, because there was less to do.
            assert ended.code == 0, f"{why}: {ended.told}"
        else:
            self.killed += 1
            why = f"{why} ({ended.err.strip().splitlines()[-1]})"
        if point.follow == BACK or point.command == "rollback":
            self._back(why)
            return
        follow = point.command if point.follow == AGAIN else point.follow
        self._typed(follow, COMMANDS[follow], why)
        self._stands({"stage 3": 3}.get(follow, 4), why)

    def _back(self, why: str) -> Typed:
        """Roll back, look, and lift the hold."""
        done = self._typed("rollback", COMMANDS["rollback"], why)
        undone = done.data["stage"]
        before = max(self._world.desk().book.standing().passed)
        assert undone in (None, before + 1), f"{why}: {done.told}"
        assert self._world.desk().book.standing().hold is not None, why
        self._stands(before, why)
        self._resumed()
        return done

    def _resumed(self) -> None:
        self._world.must("resume", "--env", "qa", "--reason", "the next point")

    def _typed(self, name: str, command: Sequence[str], why: str) -> Typed:
        """It must end well. An incident that the gap opened is waited for, as the screen says."""
        for _ in range(MOST_QUIET):
            done = self._world.run(*self._argv(command))
            if done.code != 1 or "an incident is open" not in done.out:
                break
            self._world.passes(QUIET_AGAIN)
        assert done.code == 0, f"{why}: {name}: {done.told}"
        return done

    @staticmethod
    def _argv(command: Sequence[str]) -> list[str]:
        return [*command, "--env", "qa", "--yes", "--json"]

    def _stands(self, at: int, why: str) -> None:
        """One driver, every job once, nothing left half way, and a soak that adds up."""
        world, self.at = self._world, at
        shape = storage, driver, job = world.shape()
        assert (storage, driver) == SHAPES[at][:2], f"{why}: {shape}"
        assert job in SHAPES[at][2], f"{why}: {shape}"
        fences = world.fences()
        assert set(fences) == set(self._fences), f"{why}: {fences}, before: {self._fences}"
        younger = {name: fence for name, fence in self._fences.items() if fences[name] < fence}
        assert not younger, f"{why}: {fences}, before: {younger}"
        self._fences = fences
        assert carried_file.load(world.tools.keep) is None, why
        book = world.desk().book
        records, standing = book.journal.records(), book.standing()
        assert max(standing.passed) == at, f"{why}: {standing.passed}"
        assert standing.unfinished == (), f"{why}: {standing.unfinished}"
        lease, machine = book.lock.describe(), world.desk().who.machine
        assert lease is None or not book.lock.is_live(lease, machine), f"{why}: {lease}"
        assert_soaks_add_up(records, standing, at, why)


def assert_soaks_add_up(records: Sequence[Record], standing: Standing, at: int, why: str) -> None:
    """Looks follow one another without a gap or an overlap; what is over is closed."""
    until: dict[int, datetime] = {}
    for record in records:
        body = record.body
        if record.kind == "soak.began":
            until[int(body["stage"])] = datetime.fromisoformat(str(body["at"]))
        elif record.kind == "soak.looked":
            begin = datetime.fromisoformat(str(body["from"]))
            end = datetime.fromisoformat(str(body["until"]))
            assert begin == until[int(body["stage"])], f"{why}: {record.seq}"
            assert 0 <= body["covered_seconds"] <= (end - begin).total_seconds() + 0.001, why
            until[int(body["stage"])] = end
    for stage, soak in standing.soaks.items():
        if stage > at:
            assert soak.ended, f"{why}: the soak of stage {stage} goes on"
        else:
            assert soak.ended == "done", f"{why}: stage {stage}: {soak.ended}"
            assert soak.covered_seconds >= soak.needed_seconds, why

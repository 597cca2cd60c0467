"""A rollout that has passed stage 4, or 5, brought back to it as often as it is spoiled."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emonk_ops.operations import between
from emonk_ops.operations.injection.access import snapshot
from emonk_ops.operations.injection.restore import shape_of
from emonk_ops.rehearsal.story import BUILT_CLEAN
from emonk_ops.sandbox import launcher, snapshots
from emonk_ops.sandbox.endpoint import read_endpoint

from .killed import CLEAN_UP, Killed, Point
from .rehearsed import SIGKILLED, Rehearsed, Typed
from .source import BEGUN, CLEAN, ServiceSource
from .walk import SAID, TRIED

CUTOVER, CLEANED = 4, 5
ELSEWHERE = ".another-machine"
# What a run of a job changes of it. All else says what the job is.
MOVES = frozenset(
    {
        *("state", "slot", "schedule_at", "due_at", "fence", "attempt", "ordinal"),
        *("lease_id", "lease_by", "lease_until", "effects", "counts", "recent"),
    }
)
CONFIRMED = [
    f"--confirm={name}=crash test"
    for name in (
        *("code-review", "lint", "type-check"),
        *("scheduler-api", "operator-permissions", "service-permissions"),
    )
]


@dataclass(frozen=True)
class Seen:
    """What no injection may leave changed, and of which a rollback changes the revision only."""

    access: list[list[Any]]
    faults: list[str]
    jobs: Mapping[str, Mapping[str, Any]]  # id -> what the job is
    tick_job: tuple[Any, ...]
    traffic: tuple[Any, ...]
    revision: Mapping[str, Any]


class Stage4:
    """`play` a point and look; the world is brought back where it may have been spoiled."""

    def __init__(self, world: Rehearsed) -> None:
        self.world = world
        self._directory = world.folder / ".emonk-sandbox"
        self._state = world.folder / ".emonk-ops"
        self._source = ServiceSource(world)
        self._at = CUTOVER
        self._keep()
        self.before = self.look()
        self._serving = world.tools.run.describe_service().serving_revision
        self._fences = world.fences()

    def _keep(self) -> None:
        snapshots.save(self._directory, f"stage-{self._at}")
        shutil.copytree(self._state, self._copy())

    def _copy(self) -> Path:
        return self.world.folder / f".emonk-ops-kept-{self._at}"

    def back(self) -> None:
        # What serves may be built from the source, so that comes first.
        self._source.back(BEGUN if self._at == CUTOVER else CLEAN)
        snapshots.restore(self._directory, f"stage-{self._at}")
        shutil.rmtree(self._state)
        shutil.copytree(self._copy(), self._state)

    def stand_at(self, stage: int) -> None:
        """Before the stage's own commands; stage 5 is passed once, the first time it is wanted."""
        if stage == self._at:
            return
        known = stage == CUTOVER or f"stage-{stage}" in snapshots.names(self._directory)
        if not known:
            done = self._type(CLEAN_UP)
            assert done.code == 0, done.told
        self._at = stage
        if known:
            self.back()
        else:
            self._source.keep(CLEAN)
            self._keep()

    def counted(self, command: Killed) -> Mapping[str, int]:
        """Unharmed: how many events of each kind it has."""
        done = self._type(command.words)
        assert done.code == 0, f"{command}: {done.told}"
        self.assert_whole(command, f"{command}, unharmed")
        return done.events

    def play(self, point: Point) -> bool:
        """Whether it was killed: it may have fewer events than were counted."""
        command, why = point.command, str(point)
        ended = self._type(command.words, kill_at=point.event)
        if killed := ended.code == SIGKILLED:
            why = f"{why} ({ended.err.strip().splitlines()[-1]})"
        else:
            assert ended.code == 0, f"{why}: {ended.told}"
        done = self._type(command.next, elsewhere=point.elsewhere)
        assert done.code == 0, f"{why}: {done.told}"
        self.assert_whole(command, why)
        return killed

    def in_an_emergency(
        self, fault: Mapping[str, Any], *, clock: Callable[[], float]
    ) -> dict[str, Any]:
        """The emergency rollback on another machine while `fault` is in force: how it went."""
        endpoint = read_endpoint(self._directory)
        rule = fault and launcher.call(endpoint, "POST", "/sandbox/faults", fault)["id"]
        began = clock()
        done = self._type(("rollback", "--emergency"), elsewhere=True)
        wall = clock() - began
        if rule:
            launcher.call(endpoint, "POST", "/sandbox/faults/clear", {"ids": [rule]})
        jobs = {str(one["id"]) for one in self.world.tools.service.list_jobs()}
        return {"data": done.data, "told": done.told, "code": done.code, "wall": wall, "jobs": jobs}

    def look(self) -> Seen:
        tools = self.world.tools
        service, job = tools.run.describe_service(), tools.jobs.describe()
        assert job is not None
        endpoint = read_endpoint(self._directory)
        rules = launcher.call(endpoint, "GET", "/sandbox/faults")["faults"]
        return Seen(
            access=snapshot(tools.access.policy()),
            faults=[str(one) for one in rules],
            jobs={
                str(one["id"]): {name: one[name] for name in one if name not in MOVES}
                for one in tools.service.export_jobs()["jobs"]
                if not str(one["id"]).startswith("emonk-inject-")
            },
            tick_job=(job.spec, job.state),
            traffic=service.traffic,
            revision=shape_of(tools.run.describe_revision(service.serving_revision)),
        )

    def assert_whole(self, command: Killed, why: str) -> None:
        """One driver, no fault, every job, and nothing that the journal has open."""
        world, seen = self.world, self.look()
        assert world.shape() == command.shape, why
        if not command.injects:
            same = {name: getattr(self.before, name) for name in ("tick_job", "traffic")}
            seen = replace(seen, **same, revision=self.before.revision)
        differ = [name for name, was in vars(self.before).items() if getattr(seen, name) != was]
        told = {name: (getattr(seen, name), getattr(self.before, name)) for name in differ}
        assert not differ, f"{why}: now and before: {told}"
        fences = world.fences()
        younger = {name for name, fence in self._fences.items() if fences[name] < fence}
        assert not younger, f"{why}: {fences}, before: {self._fences}"
        assert between.load(world.desk().toolbox()) is None, why
        self._assert_settled(command, why)
        assert world.succeeded_twice() == [], why
        if command.cleans:
            self._source.assert_clean(why)
        elif command.begins_at == CLEANED:
            serving = world.tools.run.describe_service().serving_revision
            assert serving == self._serving, f"{why}: {serving}"

    def _assert_settled(self, command: Killed, why: str) -> None:
        desk = self.world.desk()
        standing, lease = desk.book.standing(), desk.book.lock.describe()
        assert standing.injections.open == (), why
        told = standing.injections.all.values()
        assert all(one.verdict for one in told), f"{why}: an injection ended without a verdict"
        assert standing.unfinished == (), f"{why}: {standing.unfinished}"
        assert lease is None or not desk.book.lock.is_live(lease, desk.who.machine), why
        held = standing.hold is not None and standing.hold.complete
        assert held is command.goes_back, f"{why}: {standing.hold}"
        newest = {"stage": CLEANED, "inject": command.begins_at}.get(command.words[0])
        assert newest in (None, max(standing.passed)), f"{why}: {standing.passed}"

    def _type(
        self, words: tuple[str, ...], *, kill_at: str = "0", elsewhere: bool = False
    ) -> Typed:
        state = {"EMONK_STATE_DIR": str(self.world.folder / ELSEWHERE)} if elsewhere else {}
        if elsewhere:
            shutil.rmtree(self.world.folder / ELSEWHERE, ignore_errors=True)
        image = BUILT_CLEAN if words == CLEAN_UP else {}
        whole = {**state, **image}
        return self.world.run(*words, "--env", "qa", "--json", kill_at=kill_at, **whole)


@contextmanager
def at_stage_4(folder: Path) -> Iterator[Stage4]:
    """With journal and lock in a Firestore, a job of every kind, and one that is for years."""
    world = Rehearsed(folder, shared=True)
    world.must("sandbox", "up", "--detach", "--clock", "virtual")
    try:
        world.must("init", "--sandbox")
        world.prepare_settings()
        world.must("stage", "0", "--env", "qa", *CONFIRMED)
        for words in (("1",), ("2",), ("3", SAID, "--yes")):
            world.must("stage", *words, "--env", "qa")
        world.must("alerts", "apply", "--env", "qa", "--yes")
        world.must("stage", "4", TRIED, "--env", "qa", "--yes")
        once = ("--at", "2040-01-01T00:00:00Z", "--id", "once", "--yes")
        world.must("jobs", "schedule", "--type", "log", *once, "--env", "qa")
        yield Stage4(world)
        world.close()
    finally:
        launcher.end(folder / ".emonk-sandbox")  # whoever restored a snapshot is its parent

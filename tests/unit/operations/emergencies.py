"""A world after stage 4, its journal, and emergencies in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from emonk_ops.clock import Stopwatch
from emonk_ops.operations import way_back
from emonk_ops.operations.capture import capture
from emonk_ops.ports import DeployRequest, TickJobSpec
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.emergency import Emergency
from emonk_ops.rollout.emergency_report import EmergencyReport
from emonk_ops.rollout.evidence import EvidenceFolder
from emonk_ops.rollout.identity import Identity, identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.world import FIRESTORE, URI
from emonk_ops.tick.jobs import Job, JobState, Schedule
from emonk_ops.toolbox import Toolbox

ENV = Environment("qa", Target.SANDBOX, "emonk-qa", storage="firestore")
SPEC = TickJobSpec("*/5 * * * *", "Etc/UTC", f"{URI}/cron/tick")
ONCE = datetime(2030, 1, 1, tzinfo=UTC)


def job(name: str, *, now: datetime, once: bool = False) -> dict[str, Any]:
    schedule = Schedule.once(ONCE) if once else Schedule(every=600.0)
    slot = schedule.first(now)
    return Job(
        name, "log", schedule, {}, JobState.SCHEDULED, slot, due_at=slot, created_at=now
    ).to_dict()


class Recorder:
    def __init__(self) -> None:
        self.events: list[object] = []

    def notice(self, event: object) -> None:
        self.events.append(event)


@dataclass
class Night:
    """Stage 4 has passed: Cloud Scheduler drives on Firestore; the revision before had the loop."""

    folder: Path
    world: InMemoryWorld = field(default_factory=lambda: InMemoryWorld(jobs=()))
    machine: str = "here"  # whose journal it is
    disk: str = "here"
    run_ids: Any = field(default_factory=lambda: (f"run-{one}" for one in itertools.count(1)))

    def __post_init__(self) -> None:
        now = self.world.clock.now()
        store = self.world.store
        store.jobs = {"often": job("often", now=now), "once": job("once", now=now, once=True)}
        store.record = ("legacy", 3)
        self.before = self.world.serving
        ports = InMemoryPorts(self.world)
        ports.jobs.create(SPEC, paused=True)
        self._captured(ports)
        ports.run.deploy(
            DeployRequest(
                env={"SCHEDULER_STORAGE": FIRESTORE, "SCHEDULER_LEGACY_LOOP": "false"},
            ),
            timeout_seconds=60,
        )
        there = self.world.stores[FIRESTORE]
        there.jobs, there.record, there.by = dict(store.jobs), ("cloud", 6), self.world.serving
        store.record = ("nobody", 4)
        ports.jobs.resume()

    def _captured(self, ports: InMemoryPorts) -> None:
        tools = Toolbox(ENV, ports, self.keep)
        heading = Heading("stage", "stage 4", 4)
        with self.book().locked_run(heading) as run:
            made = run.write("captured", {"stage": 4, "facts": capture(tools)})
            run.write("step.started", {"id": "storage"})
            run.write("step.ended", {"id": "storage", "changed": True})
            run.changed = True
        found = next(one for one in self.book().standing().captures if one.seq == made.seq)
        kept = {"seq": found.seq, "stage": 4, "at": found.at.isoformat(), "facts": found.facts}
        way_back.remember(tools, kept)

    @property
    def keep(self) -> Path:
        return self.folder / self.disk / "keep"

    @property
    def who(self) -> Identity:
        return identify({"EMONK_ACTOR": "ann"}, ("emonk-ops", "rollback"))

    def book(self, name: str = "journal.jsonl") -> Book:
        place = self.folder / self.machine
        return Book(
            journal=Journal(place / name, clock=self.world.clock),
            lock=Lock(place / f"{name}.lock", clock=self.world.clock),
            who=self.who,
            new_run_id=lambda: next(self.run_ids),
        )

    def tools(self) -> Toolbox:
        evidence = EvidenceFolder(self.folder / self.machine / "evidence")
        return Toolbox(ENV, InMemoryPorts(self.world), self.keep, evidence=evidence)

    def emergency(self, open_book: Callable[[], Book] | None = None) -> EmergencyReport:
        return Emergency(
            Toolbox(ENV, InMemoryPorts(self.world), self.keep),
            open_book or self.book,
            lambda: self.book("emergency.jsonl"),
            lambda: EvidenceFolder(self.folder / self.machine / "evidence"),
            Recorder(),
            who=self.who,
            reason="it sends twice",
            entered=Stopwatch(),
        ).go()

    def moves_to_another_machine(self) -> None:
        self.machine = self.disk = "elsewhere"

    def goes_on_beside_the_same_journal(self) -> None:
        self.disk = "elsewhere"

    def passes(self, **time: float) -> None:
        self.world.clock.set(self.world.clock.now() + timedelta(**time))

    def require_back(self) -> None:
        """The revision with the loop serves, it alone drives, and the jobs are there."""
        world = self.world
        assert world.serving == self.before
        assert world.job is not None
        assert world.job.state == "PAUSED"
        record = world.record()
        assert record is not None
        assert (record[0], world.role) == ("legacy", "driving")
        assert set(world.store.jobs) == {"often", "once"}


def failing(world: InMemoryWorld, error: BaseException, *calls: str) -> ExitStack:
    """Until it is closed, these calls fail before they are done."""

    def before(call: str) -> None:
        if call in calls:
            raise error

    world.before = before
    stack = ExitStack()
    stack.callback(lambda: setattr(world, "before", lambda _call: None))
    return stack

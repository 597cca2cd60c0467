from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emonk_ops.errors import OpsError
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.events import Event
from emonk_ops.rollout.identity import Identity, identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.rollout.model import Check, Finding, Stage, Step, StepResult, Verdict
from emonk_ops.rollout.report import StageReport
from emonk_ops.rollout.runner import Options, run_stage
from emonk_ops.settings import Environment, Target
from emonk_ops.toolbox import Ports, Toolbox

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class SteppingClock:
    """A second passes at every look."""

    def __init__(self) -> None:
        self._seconds = itertools.count()

    def now(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))

    def sleep_until(self, when: datetime) -> None:
        raise AssertionError(f"nothing sleeps here, until {when}")


@dataclass
class World:
    """Two switches that stages turn, and what is to go wrong."""

    switches: dict[str, str] = field(default_factory=lambda: {"job": "absent", "serves": "a"})
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    broken: dict[str, Exception] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def turn(self, step_id: str, switch: str, to: str) -> Callable[[Toolbox], StepResult]:
        def run(_tools: Toolbox) -> StepResult:
            self.ran.append(step_id)
            if step_id in self.broken:
                raise self.broken[step_id]
            changed = self.switches[switch] != to
            self.switches[switch] = to
            return StepResult(changed, f"{switch} is {to}")

        return run

    def check(self, check_id: str, *, advisory: bool = False, per_run: bool = False) -> Check:
        def measure(_tools: Toolbox) -> Finding:
            if check_id in self.broken:
                raise self.broken[check_id]
            verdict = self.verdicts.get(check_id, Verdict.PASS)
            return Finding(verdict, f"{check_id} was measured", {"seen": dict(self.switches)})

        return Check(check_id, f"{check_id} holds", measure, advisory, per_run)

    def stage(self, number: int = 1, *, serves: str = "b", reversible: bool = True) -> Stage:
        def inverse(_env: Any, facts: Mapping[str, Any]) -> tuple[Step, ...]:
            return (
                Step("undo-job", "the job as before", self.turn("undo-job", "job", facts["job"])),
                Step(
                    "undo-serves", "as before", self.turn("undo-serves", "serves", facts["serves"])
                ),
            )

        def plan(_env: Any) -> tuple[Step, ...]:
            return (
                Step("serve", f"serve {serves}", self.turn("serve", "serves", serves)),
                Step("job", "the job there", self.turn("job", "job", "there"), budget_seconds=5),
            )

        return Stage(
            number=number,
            name=f"stage{number}",
            title=f"number {number}",
            needs=tuple(range(number)) if number > 1 else (),
            checks=lambda _env: (self.check("ready"), self.check("liked", advisory=True)),
            plan=plan,
            verify=lambda _env: (self.check("serving"),),
            acceptance=lambda _env: (self.check("ticking"),),
            capture=lambda _tools: dict(self.switches),
            inverse=inverse if reversible else None,
        )


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def notice(self, event: Event) -> None:
        self.events.append(event)


class Rollout:
    """A world, a journal in a folder, and stages to run on them."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.folder = folder
        self.clock = SteppingClock()
        self.ids = (f"run-{number}" for number in itertools.count(1))
        self.tools = Toolbox(
            env=Environment("qa", Target.SANDBOX, "emonk-qa"),
            ports=cast("Ports", SimpleNamespace(clock=self.clock)),
            keep=folder,
        )
        self.recorder = Recorder()

    def book(self, listener: Callable[[str, int], None] | None = None) -> Book:
        return Book(
            journal=Journal(self.folder / "journal.jsonl", clock=self.clock, listener=listener),
            lock=Lock(self.folder / "lock.json", clock=self.clock, ttl_seconds=3600),
            who=identity(),
            new_run_id=lambda: next(self.ids),
        )

    def run(self, stage: Stage | None = None, options: Options | None = None) -> StageReport:
        return run_stage(
            stage or self.world.stage(),
            self.tools,
            self.book(),
            options or Options(),
            self.recorder,
        )

    def kinds(self) -> list[str]:
        return [record.kind for record in self.book().journal.records()]


def identity(actor: str = "ann") -> Identity:
    return identify({"EMONK_ACTOR": actor}, ("emonk-ops", "stage", "1"))


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout(tmp_path)


@pytest.fixture
def who() -> Identity:
    return identity()


@pytest.fixture
def failure() -> Callable[[type[OpsError]], OpsError]:
    return lambda kind: kind("it broke", hint="mend it")

"""A stage that is under way when the database of its journal goes down."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from emonk_ops.clock import SystemClock
from emonk_ops.errors import ExitCode
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.events import Event
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.model import Check, Finding, Stage, Step, StepResult, Verdict
from emonk_ops.rollout.report import StageReport
from emonk_ops.rollout.runner import Options, run_stage
from emonk_ops.settings import Environment, Target
from emonk_ops.toolbox import Ports, Toolbox
from tests.state_places import FailingFirestore, StatePlace


@dataclass
class World:
    """Two switches, and at which of its acts the database goes down."""

    firestore: FailingFirestore
    down_at: str
    switches: dict[str, bool] = field(default_factory=lambda: {"one": False, "two": False})

    def act(self, name: str, to: bool | None = None) -> bool:
        changed = to is not None and self.switches[name] != to
        if to is not None:
            self.switches[name] = to
        if f"{name} {to}" == self.down_at:
            self.firestore.fails()
        return changed

    def step(self, name: str, to: bool) -> Step:
        def run(_tools: Toolbox) -> StepResult:
            return StepResult(self.act(name, to), f"{name} is {to}")

        return Step(f"{name}-{to}", f"turn {name}", run)

    def stage(self) -> Stage:
        def measure(_tools: Toolbox) -> Finding:
            self.act("check")
            return Finding(Verdict.PASS, "measured")

        return Stage(
            number=1,
            name="stage1",
            title="turn both",
            needs=(),
            checks=lambda _env: (Check("ready", "it is ready", measure),),
            plan=lambda _env: (self.step("one", True), self.step("two", True)),
            verify=lambda _env: (),
            acceptance=lambda _env: (),
            capture=lambda _tools: dict(self.switches),
            inverse=lambda _env, facts: tuple(
                self.step(name, bool(facts[name])) for name in ("two", "one")
            ),
        )


class Nobody:
    def notice(self, _event: Event) -> None:
        pass


@pytest.fixture
def run(
    firestore: FailingFirestore, place: StatePlace, tmp_path: Path
) -> Callable[..., StageReport]:
    def stage(world: World) -> StageReport:
        book = Book(
            journal=place.journal(rest_seconds=60),
            lock=place.lock(),
            who=identify({"EMONK_ACTOR": "ann"}, ()),
            new_run_id=lambda: secrets.token_hex(6),
        )
        ports = cast("Ports", SimpleNamespace(clock=SystemClock()))
        tools = Toolbox(Environment("qa", Target.SANDBOX, "emonk-qa"), ports, tmp_path)
        return run_stage(world.stage(), tools, book, Options(), Nobody())

    return stage


def kinds(place: StatePlace) -> list[str]:
    place.journal().records()
    return [record.kind for record in place.journal("b").records()]


def test_before_anything_changed_it_stops_and_the_next_run_goes_on(
    firestore: FailingFirestore, place: StatePlace, run: Callable[..., StageReport]
) -> None:
    world = World(firestore, down_at="check None")
    report = run(world)
    assert report.exit_code is ExitCode.CLOUD
    assert f"firestore:{place.project}/" in report.errors[0].message
    assert world.switches == {"one": False, "two": False}
    firestore.is_back()
    assert kinds(place) == ["run.started", "check", "run.ended"]
    world.down_at = ""
    place.lock().release_by_hand()  # it could not be given back, and this process lives on
    assert run(world).exit_code is ExitCode.DONE
    assert world.switches == {"one": True, "two": True}


def test_after_a_change_no_further_step_begins_and_what_was_done_is_undone(
    firestore: FailingFirestore, place: StatePlace, run: Callable[..., StageReport]
) -> None:
    world = World(firestore, down_at="one True")
    report = run(world)
    assert report.exit_code is ExitCode.ROLLED_BACK
    assert world.switches == {"one": False, "two": False}
    firestore.is_back()
    told = kinds(place)
    assert told.count("step.started") == 1
    assert told[-1] == "run.ended"
    assert [kind for kind in told if kind.startswith("rollback.step")] == [
        *("rollback.step.started", "rollback.step.ended"),
        *("rollback.step.started", "rollback.step.ended"),
    ]
    assert sorted(set(told)) == sorted(
        [
            *("run.started", "check", "captured", "step.started", "step.ended", "step.failed"),
            *("rollback.started", "rollback.step.started", "rollback.step.ended"),
            *("rollback.ended", "run.ended"),
        ]
    )

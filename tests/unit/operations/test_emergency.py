"""The emergency rollback: its order, what it does without, and how it goes on after a break."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.errors import LockLost, OnHold, StateDamaged, Unreachable
from emonk_ops.operations import between, left_behind, way_back
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.hold import lift
from emonk_ops.rollout.registry import load_stage
from emonk_ops.rollout.rollback import plan_rollback
from emonk_ops.testing import InMemoryPorts
from emonk_ops.testing.world import FIRESTORE
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

from .emergencies import ENV, Night, failing, job

DOWN = Unreachable("no answer")


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_what_drives_is_stopped_before_anything_is_read(night: Night) -> None:
    calls: list[str] = []
    night.world.before = calls.append

    def open_book() -> Book:
        calls.append("journal")
        return night.book()

    report = night.emergency(open_book)
    assert report.complete
    assert calls[:3] == ["pause", "quiesce", "journal"]
    assert calls[3:6] == ["route", "import", "activate"]
    night.require_back()
    standing = night.book().standing()
    assert standing.hold is not None
    assert standing.hold.complete
    assert not standing.unfinished
    assert 4 not in standing.passed


def test_a_second_one_makes_it_so_again_and_loses_nothing(night: Night) -> None:
    night.emergency()
    jobs = dict(night.world.store.jobs)
    assert night.emergency().complete
    night.require_back()
    assert night.world.store.jobs == jobs
    tools = Toolbox(ENV, InMemoryPorts(night.world), night.keep)
    plan = plan_rollback(night.book().standing(), tools, load_stage)
    assert plan.capture is None
    assert plan.why_nothing.startswith("already rolled back")


@pytest.mark.parametrize("call", ["pause", "quiesce", "route", "import", "activate"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_change_the_next_call_goes_on(night: Night, call: str, when: str) -> None:
    def kill(name: str) -> None:
        if name == call:
            raise Killed

    setattr(night.world, when, kill)
    with contextlib.suppress(Killed):
        night.emergency()
    setattr(night.world, when, lambda _call: None)
    assert night.emergency().complete
    night.require_back()


@pytest.mark.parametrize(
    ("when", "call"),
    [
        ("after", "quiesce"),
        ("before", "route"),
        ("after", "route"),
        ("after", "import"),
        ("after", "activate"),
    ],
)
def test_killed_at_a_change_another_machine_goes_on_with_all_jobs(
    night: Night, when: str, call: str
) -> None:
    there = night.world.stores[FIRESTORE]
    there.jobs["since"] = job("since", now=night.world.clock.now())

    def kill(name: str) -> None:
        if name == call:
            raise Killed

    setattr(night.world, when, kill)
    with contextlib.suppress(Killed):
        night.emergency()
    setattr(night.world, when, lambda _call: None)
    night.world.clock.set(night.world.clock.now() + timedelta(seconds=9))
    night.goes_on_beside_the_same_journal()
    assert night.emergency().complete
    assert set(night.world.store.jobs) == {"often", "once", "since"}
    night.disk = "here"
    assert between.load(night.tools()) is None, "what the first machine kept is a record only"


@pytest.mark.parametrize("call", ["pause", "route", "import", "activate"])
def test_what_cannot_be_done_is_left_and_said_and_the_next_call_goes_on(
    night: Night, call: str
) -> None:
    with failing(night.world, DOWN, call):
        report = night.emergency()
    assert report.left
    assert report.drives
    with pytest.raises(OnHold, match="has not ended"):
        lift(night.book(), reason="I think so", env="qa")
    assert night.emergency().complete
    night.require_back()


def test_when_traffic_cannot_be_moved_it_says_that_nobody_drives(night: Night) -> None:
    with failing(night.world, DOWN, "route"):
        report = night.emergency()
    assert [one.partition(":")[0] for one in report.left] == [
        "traffic",
        "carry-back",
        "one-driver",
    ]
    assert report.drives.startswith("NOBODY DRIVES")
    assert report.moved_seconds is None


def test_an_unreadable_store_gives_what_the_newest_export_has(night: Night) -> None:
    night.world.stores[FIRESTORE].jobs["since"] = dict(night.world.stores[FIRESTORE].jobs["often"])
    night.passes(minutes=25)
    with failing(night.world, DOWN, "quiesce"):
        report = night.emergency()
    assert report.complete
    night.require_back()
    saved = next(one for one in report.outcomes if one.step.id == "save-jobs")
    assert saved.result is not None
    assert saved.result.facts["held"] == ["once"]
    assert saved.result.facts["recurring"] == ["often"]
    often, once = (Job.from_dict(night.world.store.jobs[name]) for name in ("often", "once"))
    assert often.due_at is not None
    assert often.due_at > night.world.clock.now()
    assert once.paused
    assert once.fence > 1_000
    assert left_behind.KEY in night.world.annotations


def test_from_a_machine_without_the_journal_the_service_tells(night: Night) -> None:
    night.moves_to_another_machine()
    report = night.emergency()
    assert report.complete
    assert report.told_by == "the annotation of the service"
    night.require_back()
    assert night.book().standing().hold is not None


def test_a_damaged_journal_stops_nothing(night: Night) -> None:
    def damaged() -> Book:
        raise StateDamaged("record 3 is damaged")

    report = night.emergency(damaged)
    assert report.complete
    assert any("this machine only: record 3 is damaged" in note for note in report.notes)
    night.require_back()
    kinds = [one.kind for one in night.book("emergency.jsonl").journal.records()]
    assert kinds[0] == "run.started"
    assert "rollback.ended" in kinds


def test_neither_journal_nor_note_it_stops_and_says_that_nobody_drives(night: Night) -> None:
    night.moves_to_another_machine()
    night.world.annotations.clear()
    report = night.emergency()
    assert not report.complete
    assert "neither journal nor service" in report.left[0]
    assert report.drives.startswith("NOBODY DRIVES")
    assert night.world.job is not None
    assert night.world.job.state == "PAUSED"


def test_a_note_that_is_no_note_is_said_and_the_journal_is_gone_by(night: Night) -> None:
    night.world.annotations[way_back.KEY] = "by hand"
    report = night.emergency()
    assert report.complete
    assert any("cannot be read" in note for note in report.notes)


def test_the_lock_is_taken_from_a_stage_that_goes_on_and_the_stage_stops(night: Night) -> None:
    stage = night.book()
    stage.who = replace(stage.who, actor="bob", machine="elsewhere")
    with contextlib.ExitStack() as going:
        run = going.enter_context(stage.locked_run(Heading("stage", "stage 4", 4)))
        report = night.emergency()
        assert report.complete
        assert any("taken over" in note and "bob" in note for note in report.notes)
        with pytest.raises(LockLost):
            run.write("step.started", {"id": "legacy-off"})
        run.ended = True
    night.require_back()
    started = [one for one in night.book().journal.records() if one.kind == "run.started"]
    assert "bob" in started[-1].body["took_over"]
    assert not night.book().standing().unfinished


def test_the_newer_of_two_emergencies_wins(night: Night) -> None:
    def second(call: str) -> None:
        if call == "route":
            night.world.before = lambda _call: None
            assert night.emergency().complete

    night.world.before = second
    with pytest.raises(LockLost):
        night.emergency()
    night.require_back()


def test_an_injection_loses_the_lock_and_its_fault_stays_on_record(night: Night) -> None:
    book = night.book()
    with contextlib.ExitStack() as going:
        run = going.enter_context(book.locked_run(Heading("inject", "inject slow-tick")))
        run.write("injection.intent", {"id": "one", "injection": "slow-tick", "undo": []})
        assert night.emergency().complete
        with pytest.raises(LockLost):
            run.write("injection.landed", {"id": "one", "injection": "slow-tick"})
        run.ended = True
    night.require_back()
    (fault,) = night.book().standing().injections.open
    assert fault.name == "slow-tick"


def test_a_soak_that_it_ends_begins_anew(night: Night) -> None:
    def soaking() -> bool:
        state = night.book().standing().soaks.get(4)
        return state is not None and state.open

    with night.book().locked_run(Heading("stage", "stage 4", 4)) as run:
        at = night.world.clock.now().isoformat()
        body = {"stage": 4, "soak": "day", "needed_seconds": 60.0, "about": {}, "at": at}
        run.write("soak.began", body)
    assert soaking()
    night.emergency()
    assert not soaking()

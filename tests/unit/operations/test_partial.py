"""The partial rollback: out of Firestore, with what can be read, and forward again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import GateClosed, Locked, OnHold, Unreachable
from emonk_ops.operations import carried_file, deploy, left_behind, partial
from emonk_ops.operations.carried_file import Carried
from emonk_ops.rollout.partial import require_cutover, roll_back_partly
from emonk_ops.rollout.report import RollbackReport
from emonk_ops.testing import InMemoryPorts
from emonk_ops.testing.service import InMemoryTickService
from emonk_ops.testing.world import FIRESTORE
from emonk_ops.toolbox import Toolbox

from .emergencies import ENV, Night, Recorder, failing, job

DOWN = Unreachable("Firestore did not answer")


class UnreadableService(InMemoryTickService):
    """Gives no jobs while it is on Firestore."""

    def export_jobs(self, *, seconds: float = 60.0) -> Mapping[str, Any]:
        world = self._world
        if world.revision(world.serving).env["SCHEDULER_STORAGE"] == FIRESTORE:
            raise DOWN
        return super().export_jobs(seconds=seconds)


class DownPorts(InMemoryPorts):
    def __init__(self, night: Night) -> None:
        super().__init__(night.world)
        self.service = UnreadableService(night.world)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def tools(night: Night, ports: InMemoryPorts | None = None) -> Toolbox:
    return Toolbox(ENV, ports or InMemoryPorts(night.world), night.keep)


def partly(night: Night, ports: InMemoryPorts | None = None) -> RollbackReport:
    return roll_back_partly(tools(night, ports), night.book(), Recorder(), reason="slow")


def require_on_json(night: Night) -> None:
    world = night.world
    revision = world.revision(world.serving)
    assert revision.env["SCHEDULER_STORAGE"] == "json"
    assert revision.env["SCHEDULER_LEGACY_LOOP"] == "false"
    assert revision.max_instances == 1
    assert world.job is not None
    assert world.job.state == "ENABLED"
    record = world.record()
    assert record is not None
    assert record[0] == "cloud"


def test_all_jobs_come_along_and_the_driver_stays(night: Night) -> None:
    assert not partial.loss(tools(night)).lossy
    assert partly(night).complete
    require_on_json(night)
    assert set(night.world.store.jobs) == {"often", "once"}
    standing = night.book().standing()
    assert standing.hold is not None
    assert "partial rollback: slow" in standing.hold.reason
    assert not standing.unfinished
    newest = standing.newest_to_roll_back()
    assert newest is not None
    assert newest.stage == 4, "a whole rollback is still possible"
    again = partly(night)
    assert again.complete
    assert not again.changed


def test_what_an_unreadable_firestore_keeps_is_said_first_and_is_there_afterwards(
    night: Night,
) -> None:
    now = night.world.clock.now()
    jobs = list(night.world.stores[FIRESTORE].jobs.values())
    document = {"count": 2, "jobs": jobs}
    carried_file.save(
        night.keep, Carried(night.before, "legacy", "cloud", 6, now.isoformat(), document)
    )
    night.passes(minutes=5)
    since = job("since", now=night.world.clock.now())
    night.world.stores[FIRESTORE].jobs["since"] = since
    ports = DownPorts(night)
    lost = partial.loss(tools(night, ports))
    assert lost.lossy
    assert "held, since they may have run: once" in lost.sentence
    assert partly(night, ports).complete
    require_on_json(night)
    assert night.world.store.jobs["once"]["paused"]
    assert "since" not in night.world.store.jobs
    deploy.ensure_no_loop(tools(night))
    assert night.world.store.jobs["since"] == since
    assert left_behind.KEY not in night.world.annotations


class Killed(BaseException):
    """Stands for kill -9."""


@pytest.mark.parametrize("call", ["quiesce", "deploy", "import", "activate"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_change_the_same_command_goes_on(night: Night, call: str, when: str) -> None:
    def kill(name: str) -> None:
        if name == call:
            raise Killed

    setattr(night.world, when, kill)
    with contextlib.suppress(Killed):
        partly(night)
    setattr(night.world, when, lambda _call: None)
    assert partly(night).complete
    require_on_json(night)
    assert set(night.world.store.jobs) == {"often", "once"}


def test_it_is_refused_before_stage_4_and_over_another_rollback(night: Night) -> None:
    with failing(night.world, DOWN, "route"):
        night.emergency()
    with pytest.raises(OnHold, match="has not ended"):
        partly(night)
    night.emergency()
    with pytest.raises(GateClosed, match="not undone"):
        require_cutover(night.book().standing(), "qa")


def test_while_a_stage_goes_on_it_is_refused_and_names_it(night: Night) -> None:
    book = night.book()
    with (
        book.lock.held(book.who, reason="stage 4", run="other"),
        pytest.raises(Locked, match="stage 4"),
    ):
        partly(night)

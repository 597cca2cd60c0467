"""A hand-over that breaks half way, as the runner meets it: somebody must drive afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import (
    ExitCode,
    Interrupted,
    LockLost,
    OpsError,
    StepFailed,
    Unreachable,
)
from emonk_ops.operations import deploy, driver, tick_job, traffic
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.rollout.book import Book
from emonk_ops.rollout.identity import identify
from emonk_ops.rollout.journal import Journal
from emonk_ops.rollout.lock import Lock
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.registry import load_stage
from emonk_ops.rollout.report import StageReport
from emonk_ops.rollout.runner import Options, run_stage
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import ILL_IMAGE, InMemoryPorts, InMemoryWorld
from emonk_ops.testing.world import Store
from emonk_ops.toolbox import Toolbox

ENV = Environment("qa", Target.SANDBOX, "emonk-qa")


class Quiet:
    def notice(self, event: object) -> None:
        """Nobody looks."""


class FullDisk(Journal):
    full = False

    def append(self, **record: Any) -> Any:
        if self.full:
            raise OSError(28, "No space left on device")
        return super().append(**record)


class Rig:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.world = InMemoryWorld()
        self.world.record()
        self.world.store.jobs["of-a-user"] = {"id": "of-a-user", "fence": 7}
        # Something for stage 1 to deploy.
        self.world.template = replace(self.world.template, min_instances=0)
        self.world.revisions[0] = replace(self.world.revisions[0], min_instances=0)
        self.journal = FullDisk(folder / "journal.jsonl", clock=self.world.clock)
        self.runs = 0

    @property
    def tools(self) -> Toolbox:
        return Toolbox(env=ENV, ports=InMemoryPorts(self.world), keep=self.folder / "keep")

    @property
    def driver(self) -> str:
        record = self.world.record()
        assert record is not None
        return record[0]

    def stage_1(self) -> StageReport:
        self.runs += 1
        book = Book(
            journal=self.journal,
            lock=Lock(self.folder / "lock.json", clock=self.world.clock),
            who=identify({}, ("emonk-ops", "stage", "1")),
            new_run_id=lambda: f"run{self.runs}",
        )
        return run_stage(replace(load_stage(1), needs=()), self.tools, book, Options(), Quiet())

    def once(self, call: str, error: Exception, *, done: bool) -> None:
        """The next change of this name fails once, done or not done."""
        moment = "after" if done else "before"

        def hit(made: str) -> None:
            if made == call:
                setattr(self.world, moment, lambda _call: None)
                raise error

        setattr(self.world, moment, hit)

    def forget_instance(self, revision: str) -> None:
        """Its instance went with its traffic; the next one has an empty disk."""
        declared = {name: {"id": name, "fence": 0} for name in self.world.declared}
        self.world.stores[revision] = Store(declared)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Rig:
    """A service without the admin API: nothing is carried, nothing gives a drive back."""
    rig = Rig(tmp_path)
    rig.world.revisions = [replace(one, env=without_admin(one.env)) for one in rig.world.revisions]
    rig.world.template = replace(rig.world.template, env=without_admin(rig.world.template.env))
    return rig


def without_admin(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name != "ADMIN_USERS"}


def no_answer(call: str) -> Unreachable:
    return Unreachable(f"POST /admin/{call}: no answer")


def test_an_answer_to_quiesce_that_is_lost_does_not_leave_nobody_driving(rig: Rig) -> None:
    rig.once("quiesce", no_answer("quiesce"), done=True)
    assert rig.stage_1().exit_code is ExitCode.CLOUD
    assert rig.driver == "legacy"


def test_ctrl_c_while_it_drains_gives_the_drive_back(rig: Rig) -> None:
    rig.once("quiesce", Interrupted("stopped by SIGINT"), done=True)
    with pytest.raises(Interrupted):
        rig.stage_1()
    assert rig.driver == "legacy"


def test_a_full_disk_in_the_hand_over_does_not_leave_nobody_driving(rig: Rig) -> None:
    def fill(call: str) -> None:
        if call == "quiesce":
            rig.world.after = lambda _call: None
            shutil.rmtree(rig.folder / "keep")
            (rig.folder / "keep").write_text("a file where the folder should be")
            rig.journal.full = True

    rig.world.after = fill
    with pytest.raises(OSError, match="No space left"):
        rig.stage_1()
    assert rig.driver == "legacy"


def test_an_import_that_meets_a_moments_trouble_is_asked_again(rig: Rig) -> None:
    rig.once("import", no_answer("import"), done=False)
    assert rig.stage_1().exit_code is ExitCode.DONE
    assert "of-a-user" in rig.world.store.jobs


def test_jobs_that_never_arrive_are_a_failed_step_and_not_a_refused_call(rig: Rig) -> None:
    first = rig.world.serving

    def never(call: str) -> None:
        if call == "import":
            raise no_answer("import")

    rig.world.before = never
    with pytest.raises(StepFailed, match="the jobs did not arrive"):
        deploy.ensure_legacy_revision(rig.tools)
    assert rig.world.serving != first


def test_a_rollback_cut_off_after_the_traffic_moved_still_brings_the_jobs(rig: Rig) -> None:
    captured, first = capture(rig.tools), rig.world.serving

    def never(call: str) -> None:
        if call == "import":
            raise no_answer("import")

    rig.world.before = never
    with pytest.raises(OpsError):
        deploy.ensure_legacy_revision(rig.tools)
    rig.world.before = lambda _call: None
    traffic.to_revision(rig.tools, first)
    rig.forget_instance(first)
    for step in inverse_steps(ENV, captured):
        step.run(rig.tools)
    assert "of-a-user" in rig.world.store.jobs
    assert rig.driver == "legacy"


def test_a_run_that_changed_nothing_leaves_no_capture_for_another_day(rig: Rig) -> None:
    def nobody_answers(_call: str) -> None:
        raise no_answer("quiesce")

    rig.world.before = nobody_answers
    assert rig.stage_1().errors
    rig.world.before = lambda _call: None
    rig.world.template = replace(rig.world.template, env={**rig.world.template.env, "FEATURE": "1"})
    made = rig.world.make_revision()
    rig.world.stores[made.name].jobs["of-a-user"] = {"id": "of-a-user", "fence": 70}
    before_the_stage = rig.world.serving
    rig.world.startup_lines = ()
    assert rig.stage_1().rollback is not None
    assert rig.world.serving == before_the_stage


def test_a_deploy_whose_answer_was_lost_is_still_undone_to_what_was_before(bare: Rig) -> None:
    first = bare.world.serving
    bare.once("deploy", no_answer("deploy"), done=True)
    assert bare.stage_1().exit_code is ExitCode.CLOUD
    assert bare.world.serving != first
    bare.world.log.clear()  # the next run finds no start-up lines, so its verify fails
    assert bare.stage_1().exit_code is ExitCode.ROLLED_BACK
    assert bare.world.serving == first


def test_a_job_whose_creation_was_answered_by_silence_is_no_second_driver(rig: Rig) -> None:
    rig.once("create", no_answer("create"), done=True)
    with pytest.raises(Unreachable):
        tick_job.ensure_job(rig.tools)
    assert rig.world.job is not None
    assert rig.world.job.state == "ENABLED"
    assert driver.at_most_one_driver(rig.tools).verdict is Verdict.PASS


def test_who_lost_the_lock_in_the_middle_of_a_step_changes_nothing_more(rig: Rig) -> None:
    lock = Lock(rig.folder / "lock.json", clock=rig.world.clock)
    after_the_loss: list[str] = []

    def hit(call: str) -> None:
        if call == "deploy":
            lock.release_by_hand()
        elif lock.describe() is None:
            after_the_loss.append(call)

    rig.world.before = hit
    with pytest.raises(LockLost):
        rig.stage_1()
    assert not after_the_loss


def test_an_ill_revision_does_not_take_along_the_jobs_that_were_saved(rig: Rig) -> None:
    captured, first = capture(rig.tools), rig.world.serving
    tick_job.ensure_job(rig.tools)
    deploy.ensure_cloud_revision(rig.tools)
    rig.forget_instance(first)
    ill = rig.world.serving
    rig.world.revisions = [
        replace(one, image=ILL_IMAGE) if one.name == ill else one for one in rig.world.revisions
    ]
    told = [step.run(rig.tools).summary for step in inverse_steps(ENV, captured)]
    assert "of-a-user" in rig.world.store.jobs
    assert "may run again with the same idempotency key" in told[1]


def test_a_new_revision_that_cannot_take_the_jobs_gives_the_way_back_free(rig: Rig) -> None:
    """It is another service altogether: its admin API is not there to be asked for anything."""
    first = rig.world.serving

    def become_foreign(call: str) -> None:
        if call == "deploy":
            newest = max(one.name for one in rig.world.revisions)
            rig.world.revisions = [
                replace(one, env=without_admin(one.env)) if one.name == newest else one
                for one in rig.world.revisions
            ]

    rig.world.after = become_foreign
    report = rig.stage_1()
    assert report.exit_code is ExitCode.ROLLED_BACK, report.summary
    assert rig.world.serving == first
    assert rig.driver == "legacy"
    assert "of-a-user" in rig.world.store.jobs


def test_ctrl_c_during_the_switch_pins_the_old_revision_and_it_drives(rig: Rig) -> None:
    first = rig.world.serving
    rig.once("deploy", Interrupted("stopped by SIGINT"), done=False)
    with pytest.raises(Interrupted):
        rig.stage_1()
    assert rig.world.serving == first
    assert rig.driver == "legacy"
    assert rig.stage_1().exit_code is ExitCode.DONE
    assert rig.world.serving != first

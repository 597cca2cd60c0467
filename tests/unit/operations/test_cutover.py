"""The cutover and its way back: cut off at each of its changes, and the same command again."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from emonk_ops.errors import StepFailed
from emonk_ops.operations import both_paths, carried_file, cutover, deploy, driver, tick_job
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.rollout.model import Stage, StepResult, Verdict
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.world import FIRESTORE, SERVICE_ENV
from emonk_ops.toolbox import Toolbox

ENV = Environment("qa", Target.SANDBOX, "emonk-qa", storage="firestore")
FENCE = 7  # of the jobs before; a fresh store begins at 0


class Crash(BaseException):
    """The process is gone, kill -9."""


def stage_4() -> Stage:
    path = Path(__file__).parents[3] / "stages" / "stage4_cutover.py"
    spec = importlib.util.spec_from_file_location("stage4_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = module.STAGE
    assert isinstance(found, Stage)
    return found


STEPS = stage_4().plan(ENV)


class Rig:
    """A service in shadow mode, as stage 3 leaves it."""

    def __init__(self, keep: Path) -> None:
        self.world = InMemoryWorld()
        self.world.record()
        self.keep = keep
        deploy.ensure_shadow_revision(self.tools)
        tick_job.ensure_job(self.tools)
        tick_job.ensure_enabled(self.tools)
        for job in self.world.store.jobs.values():
            job["fence"] = FENCE
        self.world.store.jobs["of-a-user"] = {"id": "of-a-user", "fence": FENCE}
        self.captured = capture(self.tools)

    @property
    def tools(self) -> Toolbox:
        """Of a new process each time."""
        return Toolbox(env=ENV, ports=InMemoryPorts(self.world), keep=self.keep)

    def cut_over(self) -> list[StepResult]:
        return [step.run(self.tools) for step in STEPS]

    def roll_back(self) -> list[StepResult]:
        return [step.run(self.tools) for step in inverse_steps(ENV, self.captured)]

    def changes(self, command: Callable[[], object]) -> list[str]:
        made: list[str] = []
        self.world.after = made.append
        command()
        self.world.after = lambda _call: None
        return made

    def strike(self, command: Callable[[], object], number: int, *, done: bool) -> None:
        """The command, killed at its change `number`, which is done or not done."""
        seen = 0

        def hit(_call: str) -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                raise Crash

        setattr(self.world, "after" if done else "before", hit)
        try:
            with pytest.raises(Crash):
                command()
        finally:
            self.world.before = self.world.after = lambda _call: None

    def assert_all_jobs(self, *more: str) -> None:
        jobs = self.world.store.jobs
        assert set(jobs) == {"digest", "report", "of-a-user", *more}
        assert all(job["fence"] >= FENCE for name, job in jobs.items() if name not in more)
        assert carried_file.load(self.keep) is None

    def assert_cut_over(self) -> None:
        assert self.world.revision(self.world.serving).env["SCHEDULER_STORAGE"] == "firestore"
        self._assert_drives("cloud")
        assert not self.world.has_loop()

    def assert_as_captured(self) -> None:
        assert self.world.serving == self.captured["revision"]
        self._assert_drives("shadow")

    def _assert_drives(self, driver: str) -> None:
        record = self.world.record()
        assert record is not None
        assert (record[0], self.world.role) == (driver, "driving")
        assert self.world.job is not None
        assert self.world.job.state == "ENABLED"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "keep")


FORTH = ["quiesce", "deploy", "import", "activate", "deploy", "activate"]
BACK = ["pause", "quiesce", "route", "import", "activate", "resume"]
STRIKES = [(number, done) for number in range(1, 7) for done in (False, True)]


def test_the_strikes_below_reach_every_change(rig: Rig) -> None:
    assert rig.changes(rig.cut_over) == FORTH
    rig.assert_cut_over()
    rig.assert_all_jobs()
    assert rig.changes(rig.roll_back) == BACK
    rig.assert_as_captured()
    rig.assert_all_jobs()


def test_again_it_is_already_so_and_the_previews_say_so_too(rig: Rig) -> None:
    before = [step.preview(rig.tools) for step in STEPS if step.preview is not None]
    assert [one.changed for one in before] == [True, True, False, False]
    rig.cut_over()
    assert rig.changes(rig.cut_over) == []
    previews = [step.preview(rig.tools) for step in STEPS if step.preview is not None]
    assert len(previews) == len(STEPS)
    assert not any(one.changed for one in previews), "a soak would take it for drift"


def test_what_somebody_changes_afterwards_shows_in_the_previews(rig: Rig) -> None:
    rig.cut_over()
    template = rig.world.template
    env = {**template.env, "SCHEDULER_LEGACY_LOOP": "true"}
    rig.world.template = replace(template, env=env)
    rig.world.make_revision()
    assert any(step.preview(rig.tools).changed for step in STEPS if step.preview is not None)


@pytest.mark.parametrize(("number", "done"), STRIKES)
def test_after_a_crash_the_same_command_converges(rig: Rig, number: int, done: bool) -> None:
    rig.strike(rig.cut_over, number, done=done)
    rig.cut_over()
    rig.assert_cut_over()
    rig.assert_all_jobs()


@pytest.mark.parametrize(("number", "done"), STRIKES)
def test_after_a_crash_a_rollback_restores(rig: Rig, number: int, done: bool) -> None:
    rig.strike(rig.cut_over, number, done=done)
    rig.roll_back()
    rig.assert_as_captured()
    rig.assert_all_jobs()


@pytest.mark.parametrize(("number", "done"), STRIKES)
def test_a_rollback_that_crashes_is_finished_by_the_next_one(
    rig: Rig, number: int, done: bool
) -> None:
    rig.cut_over()
    rig.world.store.jobs["made-since"] = {"id": "made-since", "fence": 1}
    rig.strike(rig.roll_back, number, done=done)
    rig.roll_back()
    rig.assert_as_captured()
    rig.assert_all_jobs("made-since")


@pytest.mark.parametrize(("number", "done"), STRIKES)
def test_forth_again_after_a_way_back_that_crashed(rig: Rig, number: int, done: bool) -> None:
    rig.cut_over()
    rig.world.store.jobs["made-since"] = {"id": "made-since", "fence": 1}
    rig.strike(rig.roll_back, number, done=done)
    rig.cut_over()
    rig.assert_cut_over()
    rig.assert_all_jobs("made-since")


def test_what_ran_on_firestore_does_not_run_again_after_the_way_back(rig: Rig) -> None:
    rig.cut_over()
    for _ in range(3):
        rig.world.attempt()
    rig.roll_back()
    assert {job["fence"] for job in rig.world.store.jobs.values()} == {FENCE + 3}
    rig.world.attempt()
    rig.cut_over()
    assert {job["fence"] for job in rig.world.store.jobs.values()} == {FENCE + 4}


def test_firestore_must_be_what_the_settings_name(rig: Rig) -> None:
    finding = cutover.target_is_firestore(replace(rig.tools, env=replace(ENV, storage="json")))
    assert finding.verdict is Verdict.FAIL
    assert "[env.qa] storage is 'json'" in finding.summary
    assert cutover.target_is_firestore(rig.tools).verdict is Verdict.PASS


def test_after_it_each_fact_is_read_back_and_before_it_none_holds(rig: Rig) -> None:
    questions = (cutover.storage_switched, cutover.loop_is_gone)
    assert {ask(rig.tools).verdict for ask in questions} == {Verdict.FAIL}
    rig.cut_over()
    assert {ask(rig.tools).verdict for ask in questions} == {Verdict.PASS}
    assert cutover.jobs_arrived(rig.tools).verdict is Verdict.PASS


def test_a_job_that_did_not_arrive_and_a_line_about_the_storage_are_noticed(rig: Rig) -> None:
    rig.cut_over()
    assert cutover.no_storage_errors(rig.tools).verdict is Verdict.PASS
    del rig.world.store.jobs["of-a-user"]
    rig.world.write("Scheduler storage failed", severity="ERROR")
    arrived, errors = cutover.jobs_arrived(rig.tools), cutover.no_storage_errors(rig.tools)
    assert (arrived.verdict, errors.verdict) == (Verdict.FAIL, Verdict.FAIL)
    assert "3 were carried" in arrived.summary


def test_how_many_instances_firestore_may_have_is_for_the_settings(rig: Rig) -> None:
    rig.cut_over()
    assert rig.world.revision(rig.world.serving).max_instances == 1, "as it ran"
    more = replace(rig.tools, env=replace(ENV, max_instances=5))
    assert not deploy.preview_firestore(more).changed, "the loop does not come back for it"
    assert deploy.preview_no_loop(more).facts["diff"]["max_instances"] == ["1", "5"]
    assert deploy.ensure_no_loop(more).changed
    assert rig.world.revision(rig.world.serving).max_instances == 5
    rig.roll_back()
    assert rig.world.revision(rig.world.serving).max_instances == 1
    rig.assert_as_captured()
    rig.assert_all_jobs()


def test_jobs_that_change_on_their_way_are_noticed(rig: Rig) -> None:
    def tamper(call: str) -> None:
        if call == "import":
            rig.world.stores[FIRESTORE].jobs["report"]["payload"] = {"cut": "short"}

    rig.world.after = tamper
    with pytest.raises(StepFailed, match="not as they were: their checksum"):
        rig.cut_over()
    rig.world.after = lambda _call: None
    rig.roll_back()
    rig.assert_as_captured()


def foreign(keep: Path) -> Toolbox:
    """A service that is not ours: health and ticks, no admin API."""
    env = {name: value for name, value in SERVICE_ENV.items() if name != "ADMIN_USERS"}
    world = InMemoryWorld(env)
    return Toolbox(env=ENV, ports=InMemoryPorts(world), keep=keep, waits=False)


def test_a_foreign_service_goes_over_and_back_and_a_person_answers_for_its_jobs(
    tmp_path: Path,
) -> None:
    tools = foreign(tmp_path)
    deploy.ensure_shadow_revision(tools)
    tick_job.ensure_job(tools)
    tick_job.ensure_enabled(tools)
    captured = capture(tools)
    asked = cutover.jobs_can_be_carried(tools)
    assert (asked.verdict, "--confirm jobs-carried" in asked.hint) == (Verdict.ASK, True)
    for step in STEPS:
        step.run(tools)
    assert not any(step.preview(tools).changed for step in STEPS if step.preview is not None)
    for ask in (cutover.storage_switched, cutover.loop_is_gone, driver.cloud_drives_alone):
        assert ask(tools).verdict is Verdict.PASS
    for step in inverse_steps(ENV, captured):
        step.run(tools)
    assert driver.both_drive(tools).verdict is Verdict.PASS


def test_paths_that_a_foreign_log_does_not_tell_are_for_a_person(tmp_path: Path) -> None:
    tools = foreign(tmp_path)
    assert both_paths.both_tick(tools).verdict is Verdict.WAITING
    told = both_paths.both_tick(replace(tools, waits=True))
    assert (told.verdict, "without an admin API may not tell" in told.summary) == (
        Verdict.ASK,
        True,
    )


def test_a_clean_up_cut_off_after_its_deployment_finds_who_will_drive(rig: Rig) -> None:
    """Its gate must not wait for the tick that heals it; other drivers it still refuses."""
    tools, world = rig.tools, rig.world
    world.store.record = ("cloud", 9)
    assert driver.cloud_drives_or_will(tools).verdict is Verdict.PASS
    world.store.by = "emonk-agent-00001-old"
    assert driver.cloud_drives_alone(tools).verdict is Verdict.FAIL
    waits = driver.cloud_drives_or_will(tools)
    assert (waits.verdict, "does not drive yet" in waits.summary) == (Verdict.PASS, True)
    tools.jobs.pause()
    assert driver.cloud_drives_or_will(tools).verdict is Verdict.FAIL
    tools.jobs.resume()
    for wrong in ("nobody", "shadow"):
        world.store.record = (wrong, 10)
        assert driver.cloud_drives_or_will(tools).verdict is Verdict.FAIL

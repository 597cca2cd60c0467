"""A hand-over that is cut off, or fails, at each of its changes, and the same command again."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from emonk_ops.errors import OpsError, StateDamaged, StepFailed, Unreachable
from emonk_ops.operations import carried_file, deploy, probes, tick_job
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.ports import TrafficShare
from emonk_ops.rollout.model import StepResult, Verdict
from emonk_ops.settings import Environment, ServiceSettings, Target
from emonk_ops.testing import ILL_IMAGE, InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox

FENCE = 7  # of the jobs before; a fresh store begins at 0


class Crash(BaseException):
    """The process is gone, kill -9: nothing of ours may run any more."""


Command = Callable[[Toolbox], object]
ENV = Environment("qa", Target.SANDBOX, "emonk-qa")


def to_cloud(tools: Toolbox) -> StepResult:
    """Stage 2's steps."""
    tick_job.ensure_job(tools)
    result = deploy.ensure_cloud_revision(tools)
    tick_job.ensure_enabled(tools)
    return result


class Rig:
    def __init__(self, keep: Path) -> None:
        self.world = InMemoryWorld()
        self.world.record()
        for job in self.world.store.jobs.values():
            job["fence"] = FENCE
        self.world.store.jobs["of-a-user"] = {"id": "of-a-user", "fence": FENCE}
        self.keep = keep
        self.captured = capture(self.tools)

    @property
    def tools(self) -> Toolbox:
        """Of a new process each time."""
        return Toolbox(env=ENV, ports=InMemoryPorts(self.world), keep=self.keep)

    def roll_back(self, tools: Toolbox) -> None:
        for step in inverse_steps(ENV, self.captured):
            step.run(tools)

    def changes(self, command: Command) -> list[str]:
        """The names of the changes that the command makes, in order."""
        made: list[str] = []
        self.world.after = made.append
        command(self.tools)
        self.world.after = lambda _call: None
        return made

    def strike(
        self,
        command: Command,
        number: int,
        *,
        done: bool,
        error: BaseException,
        ridden_out: bool = False,
    ) -> None:
        """Run the command; its change `number` is struck, done or not done, and is the last
        unless the command rides it out.
        """
        seen = 0

        def hit(_call: str) -> None:
            nonlocal seen
            seen += 1
            if seen == number:
                raise error

        setattr(self.world, "after" if done else "before", hit)
        try:
            with nullcontext() if ridden_out else pytest.raises(type(error)):
                command(self.tools)
        finally:
            self.world.before = self.world.after = lambda _call: None

    def assert_nothing_lost(self) -> None:
        jobs = self.world.store.jobs
        assert set(jobs) == {"digest", "report", "of-a-user"}
        assert all(job["fence"] >= FENCE for job in jobs.values())
        assert carried_file.load(self.keep) is None

    def assert_drives(self, driver: str) -> None:
        record = self.world.record()
        assert record is not None
        assert record[0] == driver
        state = self.world.job.state if self.world.job else "absent"
        assert (state == "ENABLED") == (driver == "cloud")


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "keep")


STRIKES = [(number, done) for number in range(1, 9) for done in (False, True)]


def test_the_strikes_below_reach_every_change_of_a_hand_over(rig: Rig) -> None:
    assert rig.changes(to_cloud) == [
        *("create", "pause", "quiesce", "deploy", "import", "activate", "resume")
    ]


@pytest.mark.parametrize(("number", "done"), STRIKES[:14])
def test_after_a_crash_the_same_command_converges(rig: Rig, number: int, done: bool) -> None:
    rig.strike(to_cloud, number, done=done, error=Crash())
    to_cloud(rig.tools)
    rig.assert_drives("cloud")
    rig.assert_nothing_lost()
    assert not deploy.ensure_cloud_revision(rig.tools).changed


@pytest.mark.parametrize(("number", "done"), STRIKES[:14])
def test_after_a_crash_a_rollback_restores(rig: Rig, number: int, done: bool) -> None:
    rig.strike(to_cloud, number, done=done, error=Crash())
    rig.roll_back(rig.tools)
    assert rig.world.serving == rig.captured["revision"]
    rig.assert_drives("legacy")
    rig.assert_nothing_lost()


@pytest.mark.parametrize(("number", "done"), STRIKES[:14])
def test_after_an_answer_that_never_came_the_same_command_converges(
    rig: Rig, number: int, done: bool
) -> None:
    asked_again = number in (5, 6)  # import and activate are safe to repeat
    lost = Unreachable("no answer")
    rig.strike(to_cloud, number, done=done, error=lost, ridden_out=asked_again)
    to_cloud(rig.tools)
    rig.assert_drives("cloud")
    rig.assert_nothing_lost()


@pytest.mark.parametrize(("number", "done"), STRIKES[:10])
def test_a_rollback_that_crashes_is_finished_by_the_next_one(
    rig: Rig, number: int, done: bool
) -> None:
    to_cloud(rig.tools)
    assert rig.changes(lambda _tools: None) == []
    rig.strike(rig.roll_back, number, done=done, error=Crash())
    rig.roll_back(rig.tools)
    assert rig.world.serving == rig.captured["revision"]
    rig.assert_drives("legacy")
    rig.assert_nothing_lost()


def test_the_strikes_above_reach_every_change_of_a_rollback(rig: Rig) -> None:
    to_cloud(rig.tools)
    assert rig.changes(rig.roll_back) == ["pause", "quiesce", "route", "import", "activate"]


def test_a_failed_deployment_gives_the_drive_back_at_once(rig: Rig) -> None:
    rig.strike(to_cloud, 4, done=False, error=Unreachable("no answer"))
    rig.assert_drives("legacy")
    rig.assert_nothing_lost()
    assert rig.world.serving == rig.captured["revision"]


def test_a_revision_that_comes_up_after_we_gave_up_takes_no_traffic(rig: Rig) -> None:
    rig.strike(to_cloud, 4, done=False, error=Unreachable("not finished after 600 s"))
    rig.world.make_revision()
    assert rig.world.serving == rig.captured["revision"]
    rig.world.store.jobs["made-meanwhile"] = {"id": "made-meanwhile", "fence": 1}
    to_cloud(rig.tools)
    rig.assert_drives("cloud")
    assert "made-meanwhile" in rig.world.store.jobs


def test_an_old_export_is_never_imported_once_the_old_revision_drove_again(rig: Rig) -> None:
    rig.strike(to_cloud, 4, done=False, error=Crash())
    rig.roll_back(rig.tools)
    del rig.world.store.jobs["of-a-user"]  # it ran, once, and is gone
    rig.world.template = replace(rig.world.template, image="somebody-else-s")
    rig.world.make_revision()
    rig.world.traffic = (TrafficShare("", 100),)
    deploy.ensure_legacy_revision(rig.tools)
    assert "of-a-user" not in rig.world.store.jobs


def test_traffic_that_moves_during_the_export_is_noticed(rig: Rig) -> None:
    def move(call: str) -> None:
        if call == "quiesce":
            rig.world.make_revision()

    rig.world.after = move
    with pytest.raises(OpsError, match="traffic is moving"):
        to_cloud(rig.tools)
    assert carried_file.load(rig.keep) is None


def test_an_export_is_for_its_owner_only_and_a_damaged_one_is_left_as_it_is(rig: Rig) -> None:
    rig.strike(to_cloud, 4, done=True, error=Crash())
    path = rig.keep / carried_file.FILE
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"from_revision": ')
    with pytest.raises(StateDamaged, match=r"carry\.json is damaged"):
        to_cloud(rig.tools)
    assert path.read_text() == '{"from_revision": '


def ill(tools: Toolbox) -> Toolbox:
    return replace(tools, env=replace(ENV, service=ServiceSettings(image=ILL_IMAGE)))


def test_a_revision_that_is_up_and_ill_is_left_with_the_jobs_from_before_it(rig: Rig) -> None:
    with pytest.raises(StepFailed, match="it answered 503"):
        deploy.ensure_legacy_revision(ill(rig.tools))
    rig.roll_back(rig.tools)
    assert rig.world.serving == rig.captured["revision"]
    rig.assert_drives("legacy")
    rig.assert_nothing_lost()


def test_a_revision_that_fell_ill_later_is_left_for_the_store_that_was_before(rig: Rig) -> None:
    deploy.ensure_legacy_revision(rig.tools)
    rig.world.revisions[-1] = replace(rig.world.revisions[-1], image=ILL_IMAGE)
    before = rig.world.clock.now()
    rig.roll_back(rig.tools)
    assert (rig.world.clock.now() - before).total_seconds() < 10
    assert rig.world.serving == rig.captured["revision"]
    rig.assert_drives("legacy")
    rig.assert_nothing_lost()


def test_a_private_service_is_asked_as_the_operator(rig: Rig) -> None:
    rig.world.private = True
    to_cloud(rig.tools)
    rig.assert_drives("cloud")
    found = probes.tick_is_guarded(rig.tools)
    assert (found.verdict, found.summary) == (Verdict.PASS, "403 from the platform")
    assert probes.healthy(rig.tools).verdict is Verdict.PASS

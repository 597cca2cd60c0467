"""A stage that wants healthy time before it may change anything: looked back at, never acted on."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from emonk_ops.errors import ExitCode, StepFailed
from emonk_ops.rollout.model import Breach, Soak, Stage
from emonk_ops.rollout.runner import Options

from .conftest import START
from .test_soaking import EVERY, HOUR, Soaked


class Late(Soaked):
    """A rollout whose stage looks back at an hour before it begins."""

    since: datetime | None = None

    def stage_with_soak(self) -> Stage:
        return replace(
            self.world.stage(),
            soak_before=lambda _env: Soak(
                "stable",
                "an hour of it",
                HOUR,
                HOUR,
                EVERY.total_seconds(),
                lambda _tools: self.shadow.about,
                self.shadow.look,
                lambda _tools, _about: self.since,
            ),
        )

    def after_two_hours(self) -> None:
        """Of which the stage may know."""
        self.since = START
        self.pass_time(120)


@pytest.fixture
def rollout(tmp_path: Path) -> Late:
    return Late(tmp_path)


def test_before_its_time_nothing_is_changed(rollout: Late) -> None:
    report = rollout.go(waits=False)
    assert report.exit_code is ExitCode.WAITING
    assert rollout.world.ran == []
    assert rollout.book().standing().captures == []


def test_time_that_is_known_already_counts(rollout: Late) -> None:
    rollout.after_two_hours()
    assert rollout.go(waits=False).exit_code is ExitCode.DONE
    assert rollout.world.ran == ["serve", "job"]


def test_a_breach_changes_nothing_and_sets_no_hold(rollout: Late) -> None:
    rollout.after_two_hours()
    rollout.shadow.breaches = lambda _at: (Breach("errors", "a burst", certain=True),)
    report = rollout.go(waits=False)
    assert (report.exit_code, report.rollback) == (ExitCode.CHECK_FAILED, None)
    assert rollout.world.ran == []
    assert rollout.book().standing().hold is None


def test_once_begun_the_time_is_not_wanted_again(rollout: Late) -> None:
    rollout.after_two_hours()
    rollout.world.broken["job"] = StepFailed("no")
    broken = rollout.go(waits=False)
    assert broken.exit_code is ExitCode.ROLLED_BACK
    del rollout.world.broken["job"]
    forced = Options(force=True, reason="mended")
    assert rollout.run(rollout.stage_with_soak(), forced).exit_code is ExitCode.DONE
    rollout.shadow.about = {"epoch": 2}  # the stage itself brought a new one
    assert rollout.run(rollout.stage_with_soak(), forced).exit_code is ExitCode.DONE


def test_a_local_step_that_fails_rolls_nothing_back(rollout: Late) -> None:
    rollout.after_two_hours()
    rollout.world.broken["serve"] = StepFailed("the tests do not pass")
    stage = rollout.stage_with_soak()
    first, *others = stage.plan(rollout.tools.env)
    local = replace(stage, plan=lambda _env: (replace(first, local=True), *others))
    report = rollout.run(local)
    assert (report.exit_code, report.rollback) == (ExitCode.CHECK_FAILED, None)
    assert rollout.book().standing().hold is None
    assert rollout.world.ran == ["serve"]

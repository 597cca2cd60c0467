from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.rollout.model import CheckResult, Finding, Verdict
from emonk_ops.rollout.report import StageReport
from emonk_ops.rollout.sentences import conclude, time_left

from .conftest import START

if TYPE_CHECKING:
    from .conftest import Rollout


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(hours=17, minutes=12, seconds=3), "17 h 12 m"),
        (timedelta(days=6, hours=1), "6 d 1 h"),
        (timedelta(minutes=4, seconds=30), "4 m 30 s"),
        (timedelta(seconds=9.2), "10 s"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_time_left_is_said_in_its_two_largest_units(left: timedelta, words: str) -> None:
    assert time_left(left) == words


def waiting(rollout: Rollout, *minutes: int) -> StageReport:
    report = StageReport(2, "enable", "qa", exit_code=ExitCode.WAITING)
    report.phases["acceptance"] = [
        CheckResult(
            rollout.world.check(f"soak-{minute}"),
            Finding(Verdict.WAITING, "", wait_until=START + timedelta(minutes=minute)),
        )
        for minute in minutes
    ]
    conclude(report, lambda: START)
    return report


def test_a_stage_that_waits_says_until_when_and_how_long(rollout: Rollout) -> None:
    report = waiting(rollout, 5, 15)
    assert report.wait_until == START + timedelta(minutes=15)
    assert "waits until 2026-01-05 12:15:00Z" in report.summary
    assert report.summary.endswith("(15 m 0 s left)")
    assert report.hint == "emonk-ops stage 2 --env qa"


def test_what_is_open_is_told_by_verdict(rollout: Rollout) -> None:
    rollout.world.verdicts = {"ready": Verdict.FAIL}
    assert rollout.run().summary.endswith("failed: FAIL ready")

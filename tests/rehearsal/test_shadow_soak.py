"""Stage 3 as an operator and a pipeline meet it: the hour, what breaks it, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.operations.judging.comparison import query_of
from emonk_ops.ports import DeployRequest

from .log_lines import write_like
from .rollouts import Rollout, rollout_in

LINES = {
    *("same-jobs", "no-double-effects", "comparable-timing", "similar-errors"),
    *("shadow-without-issues", "duplicate-detection", "scheduler-matches-legacy"),
    "no-performance-degradation",
}


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with rollout_in(tmp_path) as found:
        found.stages(0, 1, 2)
        yield found


@pytest.mark.timeout(300)
def test_an_hour_of_shadow_answers_the_guides_lines(rollout: Rollout) -> None:
    passed = rollout.stage(3)
    assert set(passed.verdicts("acceptance")) >= LINES
    assert passed.verdicts("soak") == {"soak-shadow": "PASS"}
    assert rollout.tools().service.driver().driver == "shadow"
    soak = rollout.types("status").data["stages"]["facts"]["passed"]
    assert "3" in soak
    _judged_again(rollout, "acceptance")

    _rolled_back_to_what_was(rollout)


def _judged_again(rollout: Rollout, purpose: str) -> None:
    """From the evidence that the last run kept."""
    saved = [one for one in rollout.journal() if one["kind"] == "evidence.saved"][-1]
    assert saved["body"]["purpose"] == purpose
    again = rollout.types("judge", saved["run"])
    assert again.data["same"] is True
    assert again.data["evidence"][-1]["verdicts"]


def _rolled_back_to_what_was(rollout: Rollout) -> None:
    rollout.types("rollback", "--yes")
    tools = rollout.tools()
    assert tools.service.driver().driver == "cloud"
    job = tools.jobs.describe()
    assert job is not None
    assert job.state == "ENABLED"


@pytest.mark.timeout(300)
def test_what_breaks_the_hour_has_the_consequence_that_was_configured(rollout: Rollout) -> None:
    _somebody_pauses_the_job(rollout)
    _somebody_deploys_in_between(rollout)
    _a_run_is_doubled(rollout)


def _soaking(rollout: Rollout) -> None:
    """Until both paths have ticked and the hour has begun."""
    while "soak" not in rollout.types("status").data:
        rollout.stage(3, "--no-wait", code=75)
        rollout.passes(timedelta(minutes=6))


def _somebody_pauses_the_job(rollout: Rollout) -> None:
    _soaking(rollout)
    rollout.passes(timedelta(minutes=20))
    rollout.tools().jobs.pause()
    pause = {"EMONK_ON_BREACH": "pause"}
    breached = rollout.types("stage", "3", "--yes", "--no-wait", code=1, variables=pause)
    told = breached.data["phases"]["soak"][0]["summary"]
    assert "drift" in told
    assert "changed by somebody else" in told
    job = rollout.tools().jobs.describe()
    assert job is not None
    assert job.state == "PAUSED", "what somebody did is shown, not overwritten"
    rollout.stage(3, "--no-wait", code=3)
    rollout.types("resume", "--reason", "it was a mistake")


def _somebody_deploys_in_between(rollout: Rollout) -> None:
    _soaking(rollout)
    rollout.passes(timedelta(minutes=20))
    rollout.stage(3, "--no-wait", code=75)
    rollout.tools().run.deploy(DeployRequest(env={"FEATURE": "on"}), timeout_seconds=60)
    waiting = rollout.stage(3, "--no-wait", code=75)
    soak = rollout.types("status").data["soak"]["facts"]
    assert soak["covered_seconds"] == 0, waiting.told
    ended = [one["body"]["how"] for one in rollout.journal() if one["kind"] == "soak.ended"]
    assert "began anew" in ended[-1]


def _a_run_is_doubled(rollout: Rollout) -> None:
    rollout.passes(timedelta(minutes=20))
    _write_a_second_run(rollout)
    breached = rollout.stage(3, "--no-wait", code=6)
    assert "nothing-twice" in breached.data["phases"]["soak"][0]["summary"]
    _judged_again(rollout, "breach")
    assert rollout.tools().service.driver().driver == "cloud"


def _write_a_second_run(rollout: Rollout) -> None:
    """As a second execution of the last slot would have been told, numbered as the next line."""
    tools = rollout.tools()
    now = tools.clock.now()
    lines = list(tools.logs.entries(query_of(tools.env), since=now - timedelta(minutes=20)))
    executed = [one for one in lines if one.payload.get("decision") == "execute"][-1]
    own = [one for one in lines if one.payload.get("instance") == executed.payload["instance"]]
    last = max(int(one.payload["sequence"]) for one in own)
    write_like(tools, executed, fence=executed.payload["fence"] + 1, sequence=last + 1)

"""Stage 4 with a day of soak: what is planted in it has the consequence that was configured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.clock import sleep
from emonk_ops.operations.alerts import causes
from emonk_ops.operations.tick_window import of_service
from emonk_ops.ports import DeployRequest
from emonk_ops.toolbox import Toolbox

from .log_lines import write_like
from .rollouts import Rollout, Typed, rollout_in

Cause = Callable[[Toolbox], AbstractContextManager[None]]


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    """QA before its cutover, with a tick each minute and a shadow that is no evidence."""
    with rollout_in(tmp_path) as found:
        text = (tmp_path / "emonk-ops.toml").read_text()
        (tmp_path / "emonk-ops.toml").write_text(text.replace("*/5 * * * *", "* * * * *"))
        found.set(shadow_hours="0.2")
        found.stages(0, 1, 2, 3)
        found.types("alerts", "apply")
        yield found


@pytest.mark.timeout(600)
def test_what_is_planted_into_the_day_ends_in_the_policys_action(rollout: Rollout) -> None:
    _soaking(rollout)
    _a_feature_is_deployed(rollout)
    _breached(rollout, "errors", causes.failing_jobs, 6)
    _breached(rollout, "latency", _slow_ticks, 6, policy="warn", code=75)
    _calm_again(rollout)
    _breached(rollout, "firestore-errors", causes.refused_by_the_store, 6)
    _breached(rollout, "drift", causes.silence, 2, policy="pause", code=1)
    _breached(rollout, "duplicates", _a_second_success, 6)
    _told(rollout)


def _told(rollout: Rollout) -> None:
    """Of all this a report is made, with every breach, its evidence and what it led to."""
    made = rollout.types("report", "--out", "told")
    page = Path(made.data["page"]).read_text()
    for criterion in _seen(rollout):
        assert criterion in page, criterion
    assert "SANDBOX" in page
    assert "VIRTUAL CLOCK" in page
    assert "NO EVIDENCE: shorter than the guide asks for" in page
    assert "NOT HERE" not in page
    drawn = {Path(one).name for one in made.data["files"] if one.endswith(".svg")}
    assert {"qa-ticks-stage-4-production-breach.svg", "qa-rollback-times.svg"} <= drawn


@contextmanager
def _slow_ticks(tools: Toolbox) -> Iterator[None]:
    """A job that takes three seconds each minute."""
    wanted = {
        "id": "slow",
        "type": "emonk_canary",
        "schedule": {"cron": "* * * * *"},
        "payload": {"duration_seconds": 3},
    }
    tools.service.schedule_job(wanted)
    yield
    tools.service.cancel_job("slow")


@contextmanager
def _a_second_success(tools: Toolbox) -> Iterator[None]:
    """As the log would tell it if the last slot had run twice, under two fences."""
    sleep(tools.clock, 300)
    query = f'{of_service(tools.env)} AND jsonPayload.message="Job succeeded"'
    since = tools.clock.now() - timedelta(minutes=5)
    (last,) = tools.logs.entries(query, since=since, newest_first=True, limit=1)
    write_like(tools, last, fence=last.payload["fence"] + 1)
    yield


def _soaking(rollout: Rollout) -> None:
    """Begun, once no incident of what was planted before is open any more."""
    while "soak" not in rollout.types("status").data:
        begun = rollout.cutover("--no-wait", code=None)
        failed = {name for name, verdict in begun.verdicts("checks").items() if verdict == "FAIL"}
        assert begun.code == 75 or failed == {"alerts-configured"}, begun.told
        rollout.passes(timedelta(minutes=2 if begun.code == 75 else 10))
    assert rollout.tools().service.driver().driver == "cloud"


def _a_feature_is_deployed(rollout: Rollout) -> None:
    """Another revision of the same: the soak goes on, and its ticks take the drive along."""
    rollout.passes(timedelta(minutes=11))
    rollout.cutover("--no-wait", code=75)
    before = rollout.types("status").data["soak"]["facts"]["covered_seconds"]
    rollout.tools().run.deploy(DeployRequest(env={"FEATURE": "on"}), timeout_seconds=60)
    rollout.passes(timedelta(minutes=11))
    rollout.cutover("--no-wait", code=75)
    after = rollout.types("status").data["soak"]["facts"]
    assert after["covered_seconds"] > before > 0
    assert after["breaches"] == {}


def _calm_again(rollout: Rollout) -> None:
    rollout.passes(timedelta(minutes=12))
    rollout.types(
        "stage", "4", "--yes", "--no-wait", code=75, variables={"EMONK_ON_BREACH": "warn"}
    )


def _breached(
    rollout: Rollout,
    criterion: str,
    cause: Cause,
    minutes: float,
    *,
    policy: str = "rollback",
    code: int = 6,
) -> None:
    variables = {"EMONK_ON_BREACH": policy}
    _soaking(rollout)
    with cause(rollout.tools()):
        ended = Typed(75, {}, "")
        for _ in range(3):
            rollout.passes(timedelta(minutes=minutes))
            ended = rollout.types(
                "stage", "4", "--yes", "--no-wait", code=None, variables=variables
            )
            if ended.code != 75 or (policy == "warn" and criterion in _seen(rollout)):
                break
    assert ended.code == code, ended.told
    assert criterion == "drift" or criterion in _seen(rollout), ended.told
    if code == 75:
        return
    assert criterion in ended.data["phases"]["soak"][0]["summary"], ended.told
    assert rollout.types("status").data["hold"]["facts"]["complete"]
    if code == 6:
        assert rollout.tools().service.driver().driver == "shadow"
    rollout.types("resume", "--reason", f"{criterion} was planted")


def _seen(rollout: Rollout) -> set[str]:
    looks = [one["body"] for one in rollout.journal() if one["kind"] == "soak.looked"]
    return {breach["criterion"] for look in looks for breach in look["breaches"]}

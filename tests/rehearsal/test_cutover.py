"""Stage 4 as it is typed: qa, its drill, then production; and the way back with all jobs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.ports import DriverState

from .rollouts import Rollout, rollout_in

PLAN = 'incident_plan = "runbook, chapter 3"\nsoak_hours = 0.5\n'
STAGE_3 = ("--confirm=no-performance-degradation=nobody calls it",)
GATED = ("--confirm=dashboards-reviewed=looked at", "--confirm=complaints=read")


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with rollout_in(tmp_path) as found:
        _shorten_the_soaks(tmp_path / "emonk-ops.toml")
        yield found


def _shorten_the_soaks(settings: Path) -> None:
    text = settings.read_text()
    for was, becomes in (
        ("only_driver = true ", f"{PLAN}only_driver = true "),
        ("only_driver = false ", f"{PLAN}advisory_tendencies = true\nonly_driver = false "),
    ):
        assert was in text
        text = text.replace(was, becomes)
    settings.write_text(text)


@pytest.mark.timeout(600)
def test_qa_with_its_drill_opens_production_and_both_come_back_with_all_jobs(
    rollout: Rollout,
) -> None:
    _up_to_the_cutover(rollout, "qa")
    soaked = rollout.stage(4, code=ExitCode.REFUSED)
    assert soaked.verdicts("acceptance")["failures-handled"] == "ASK"
    assert _shape(rollout, "qa") == ("firestore", "cloud", "ENABLED")
    rollout.types("inject", "suite", "--yes")
    passed = rollout.stage(4)
    assert passed.verdicts("acceptance")["failures-handled"] == "PASS"
    assert passed.data["steps"] == [], "it went on from its soak"

    _up_to_the_cutover(rollout, "production")
    closed = rollout.stage(4, *GATED, env="production", code=ExitCode.CHECK_FAILED)
    assert closed.verdicts("checks")["gate-passed"] == "PASS"
    assert closed.verdicts("checks")["rollback-drill"] == "FAIL"
    assert _shape(rollout, "production") == ("json", "shadow", "ENABLED"), "nothing was begun"

    _drill(rollout)
    _production_goes_over_and_back(rollout)


def _up_to_the_cutover(rollout: Rollout, env: str) -> None:
    rollout.stages(0, 1, 2, env=env)
    rollout.stage(3, *STAGE_3, env=env)
    assert _shape(rollout, env) == ("json", "shadow", "ENABLED")
    rollout.types("alerts", "apply", "--yes", env=env)


def _drill(rollout: Rollout) -> None:
    refused = rollout.types("rollback", "drill", "--yes", env="production", code=ExitCode.REFUSED)
    assert "not done in production" in refused.envelope["errors"][0]["message"]
    before, epoch = _jobs(rollout, "qa"), _driver(rollout, "qa").epoch
    drilled = rollout.types("rollback", "drill", "--yes")
    assert drilled.data["ok"]
    assert {one["id"] for one in drilled.data["steps"]["back"]} >= {
        "restore-revision",
        "one-driver",
    }
    assert _shape(rollout, "qa") == ("firestore", "cloud", "ENABLED")
    assert _driver(rollout, "qa").epoch > epoch + 2, "it went back and forth for real"
    assert _lasting(_jobs(rollout, "qa")) == _lasting(before)
    again = rollout.stage(4)  # not on hold
    assert not any(step["changed"] for step in again.data["steps"])


def _production_goes_over_and_back(rollout: Rollout) -> None:
    captured = _serving(rollout)
    before = _jobs(rollout, "production")
    passed = rollout.stage(4, *GATED, env="production")
    checks = passed.verdicts("checks")
    assert checks["rollback-drill"] == checks["shadow-validated"] == "PASS"
    assert checks["failure-injections"] == "PASS"
    assert _shape(rollout, "production") == ("firestore", "cloud", "ENABLED")
    assert _lasting(_jobs(rollout, "production")) == _lasting(before)

    made = rollout.types(
        *("jobs", "schedule", "--type", "log", "--every", "3600", "--id", "made-since", "--yes"),
        env="production",
    ).data
    rollout.passes(timedelta(minutes=3), env="production")
    after = _jobs(rollout, "production")
    rollout.types("rollback", "--yes", env="production")
    assert _serving(rollout) == captured
    assert _shape(rollout, "production") == ("json", "shadow", "ENABLED")
    back = _jobs(rollout, "production")
    assert _lasting(back) == _lasting(after), made
    assert len(back) == len(before) + 1, "what was scheduled since the cutover arrived too"
    assert all(back[name]["fence"] >= job["fence"] for name, job in after.items())


def _shape(rollout: Rollout, env: str) -> tuple[str, str, str]:
    """(storage, driver, state of the Cloud Scheduler job), as the service and the platform say."""
    tools = rollout.tools(env)
    health: Any = tools.service.probe("GET", "/health").body
    job = tools.jobs.describe()
    assert job is not None
    return health["storage"]["kind"], tools.service.driver().driver, job.state


def _driver(rollout: Rollout, env: str) -> DriverState:
    return rollout.tools(env).service.driver()


def _serving(rollout: Rollout) -> str:
    return rollout.tools("production").run.describe_service().serving_revision


def _jobs(rollout: Rollout, env: str) -> dict[str, dict[str, Any]]:
    exported = rollout.tools(env).service.export_jobs()
    return {job["id"]: dict(job) for job in exported["jobs"]}


def _lasting(jobs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What no run of a job changes."""
    kept = ("type", "payload", "schedule", "created_at", "declared", "paused")
    return {
        name: {key: value for key, value in job.items() if key in kept}
        for name, job in jobs.items()
    }

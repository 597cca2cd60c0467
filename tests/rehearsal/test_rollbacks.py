"""The rollbacks as they are typed, in the sandbox: in part, in an emergency, and several stages."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.errors import ExitCode

from .rollouts import Rollout, Typed, rollout_in
from .test_cutover import STAGE_3, _shorten_the_soaks

FIRESTORE = "google.firestore.v1.Firestore/*"
LATER = "2040-01-01T00:00:00Z"


@pytest.fixture
def rollout(tmp_path: Path) -> Iterator[Rollout]:
    with rollout_in(tmp_path) as found:
        settings = tmp_path / "emonk-ops.toml"
        _shorten_the_soaks(settings)
        text = settings.read_text()
        assert 'emergency_env = "production"' in text
        settings.write_text(text.replace('emergency_env = "production"', 'emergency_env = "qa"'))
        yield found


@pytest.mark.timeout(300)
def test_there_and_back_in_every_way_with_all_jobs(rollout: Rollout) -> None:
    rollout.stages(0, 1, 2)
    rollout.stage(3, *STAGE_3)
    rollout.types("alerts", "apply", "--yes")
    refused = rollout.types("rollback", "--partial", "--yes", code=ExitCode.REFUSED)
    assert "has changed nothing in qa" in refused.envelope["errors"][0]["message"]
    rollout.cutover()
    _schedule(rollout, "once", "--at", LATER)
    _in_an_emergency_from_another_machine(rollout)
    _forward_again(rollout)
    _in_an_emergency_without_firestore(rollout)
    _forward_again(rollout)
    assert {"once", "since"} <= _jobs(rollout).keys(), "what stayed in Firestore is still there"
    _in_part(rollout)
    _to_stage_1(rollout)


def _in_part(rollout: Rollout) -> None:
    before = _jobs(rollout)
    planned = rollout.types("rollback", "--partial", "--plan").data
    assert not planned["lossy"]
    assert f"all {len(before)} jobs come along" in planned["loss"]
    rollout.types("rollback", "--partial", "--yes")
    assert _shape(rollout) == ("json", "cloud", "ENABLED")
    serving = rollout.tools().run.describe_service().serving_revision
    revision = rollout.tools().run.describe_revision(serving)
    assert revision.max_instances == 1
    assert revision.env["SCHEDULER_LEGACY_LOOP"] == "false"
    assert _jobs(rollout).keys() == before.keys()
    rollout.cutover(code=ExitCode.REFUSED)
    rollout.passes(timedelta(minutes=6))
    ran = [
        one["id"] for one in _jobs(rollout).values() if one["fence"] > before[one["id"]]["fence"]
    ]
    assert ran, "Cloud Scheduler drives on JSON storage"


def _in_an_emergency_from_another_machine(rollout: Rollout) -> None:
    before = _jobs(rollout)
    with _fault(rollout, "*", "--latency", "200ms"):
        told = _emergency(rollout, rollout.folder / "another-machine")
    data = told.data
    assert data["told_by"] == "the annotation of the service"
    # How long it took is measured by `make bench`: a machine may be busy.
    assert 0 < data["stopped_seconds"] < data["moved_seconds"] < data["seconds"]
    assert re.search(r"was stopped \d+\.\d s after Enter, of 5 s", told.told)
    assert re.search(r"moved and verified \d+\.\d s after Enter, of 30 s", told.told)
    assert _shape(rollout) == ("json", "legacy", "PAUSED")
    assert _jobs(rollout).keys() == before.keys()


def _in_an_emergency_without_firestore(rollout: Rollout) -> None:
    """The jobs' store and the journal are both in the database that is down."""
    _schedule(rollout, "since", "--every", "3600")
    with _fault(rollout, FIRESTORE, "--code", "UNAVAILABLE"):
        shown = rollout.types("rollback", "--partial", "--plan").data
        assert shown["lossy"]
        assert "once" in shown["held"]
        told = rollout.types("rollback", "--emergency")
        assert _shape(rollout) == ("json", "legacy", "PAUSED")
        saved = next(one for one in told.data["steps"] if one["id"] == "save-jobs")
        assert saved["facts"]["held"] == ["once"]
        assert "stays in Firestore only" in saved["summary"]
        jobs = _jobs(rollout)
        assert jobs["once"]["paused"]
        assert "since" not in jobs
        other = _emergency(
            rollout, rollout.folder / "third-machine", EMONK_STATE="firestore:emonk-qa"
        )
        assert other.data["told_by"] == "the annotation of the service"
    spooled = list((rollout.folder / "third-machine").glob("*/spool.jsonl"))
    assert spooled, "what could not be written to the journal waits"


def _to_stage_1(rollout: Rollout) -> None:
    refused = rollout.types("rollback", "--to", "5", "--yes", code=ExitCode.REFUSED)
    assert "stage 5 has not passed in qa" in refused.envelope["errors"][0]["message"]
    before = _jobs(rollout)
    planned = rollout.types("rollback", "--to", "1", "--plan").data
    stages = [one["stage"] for one in planned["stages"]]
    assert stages[0] == 4, "a partial rollback leaves the rest to be undone"
    assert stages[-2:] == [3, 2]
    rollout.types("rollback", "--to", "1", "--yes")
    assert _shape(rollout) == ("json", "legacy", "PAUSED")
    assert _jobs(rollout).keys() == before.keys()


@contextmanager
def _fault(rollout: Rollout, *words: str) -> Iterator[None]:
    """A fault of the sandbox's APIs, for a while."""

    def types(*argv: str) -> None:
        command = [sys.executable, "-m", "emonk_ops", "sandbox", "fault", *argv]
        subprocess.run(command, cwd=rollout.folder, check=True, capture_output=True, timeout=60)

    types("add", *words)
    try:
        yield
    finally:
        types("clear")


def _emergency(rollout: Rollout, state: Path, **variables: str) -> Typed:
    """From a machine that has never seen this rollout; its settings name the environment."""
    shutil.rmtree(state, ignore_errors=True)
    variables = {"EMONK_STATE_DIR": str(state), "EMONK_ENV": "production", **variables}
    return rollout.types("rollback", "--emergency", env="", variables=variables)


def _forward_again(rollout: Rollout) -> None:
    rollout.types("resume", "--reason", "mended")
    rollout.cutover()
    assert _shape(rollout) == ("firestore", "cloud", "ENABLED")


def _schedule(rollout: Rollout, name: str, *when: str) -> None:
    rollout.types("jobs", "schedule", "--type", "log", *when, "--id", name, "--yes")


def _shape(rollout: Rollout) -> tuple[str, str, str]:
    tools = rollout.tools()
    health: Any = tools.service.probe("GET", "/health").body
    job = tools.jobs.describe()
    assert job is not None
    return health["storage"]["kind"], tools.service.driver().driver, job.state


def _jobs(rollout: Rollout) -> dict[str, dict[str, Any]]:
    return {one["id"]: dict(one) for one in rollout.tools().service.list_jobs()}

"""`emonk-ops alerts …` and `dashboard …` as processes, in the sandbox on the virtual clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.monitoring_ports import Kind
from emonk_ops.operations.alerts.keeping import found_policies
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.ports import DeployRequest
from emonk_ops.sandbox import launcher
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

LONGEST_SECONDS = 240.0
HEALTHY = timedelta(hours=24)
EVERY = {
    *("tick-failures", "not-executing", "duplicates", "tick-latency", "storage-errors"),
    *("heartbeat", "lag"),
}


class Operator:
    """Types commands in a folder whose sandbox runs, and looks behind them through the ports."""

    def __init__(self, folder: Path, tools: Toolbox) -> None:
        self._folder = folder
        self.tools = tools

    def types(self, *words: str, code: int = 0) -> dict[str, Any]:
        ended = subprocess.run(
            [sys.executable, "-m", "emonk_ops", *words, "--env", "qa", "--json"],
            cwd=self._folder,
            env={**os.environ, "EMONK_ACTOR": "ann"},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        found: dict[str, Any] = json.loads(ended.stdout)["data"]
        return found

    def waits(self, time: timedelta) -> None:
        self.tools.clock.sleep_until(self.tools.clock.now() + time)

    def fired(self) -> set[str]:
        """Short names of the policies that ever opened an incident."""
        names = {one["name"]: name for name, one in found_policies(self.tools).items()}
        return {names[one.policy] for one in self.tools.monitoring.incidents()}


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    text = sample(Target.SANDBOX).replace("# channels = []", 'channels = ["oncall@example.com"]')
    (tmp_path / "emonk-ops.toml").write_text(text)
    directory = tmp_path / ".emonk-sandbox"
    endpoint = launcher.launch(directory, clock="virtual")
    ports = Wiring(Environment("qa", Target.SANDBOX, "emonk-qa", sandbox_dir=directory))
    try:
        launcher.wait_for_services(endpoint)
        yield Operator(tmp_path, Toolbox(ports.env, ports, tmp_path / "keep"))
    finally:
        ports.close()
        launcher.end(directory)


@pytest.mark.timeout(600)
def test_the_set_up_is_applied_drifts_stays_silent_in_health_and_fires_with_reason(
    operator: Operator,
) -> None:
    _apply_twice(operator)
    _drift(operator)

    tools = operator.tools
    ensure_job(tools)
    ensure_enabled(tools)
    tools.service.activate("cloud", expected_epoch=tools.service.driver().epoch)
    operator.waits(HEALTHY)
    assert operator.fired() == set()
    _move_to_firestore(tools)

    tested = operator.types("alerts", "test", "--reason", "before the cutover")["alerts"]
    assert {one["name"]: one["outcome"] for one in tested} == dict.fromkeys(EVERY, "fired")

    operator.types("alerts", "remove")
    operator.types("dashboard", "remove")
    assert not [one for kind in Kind for one in tools.monitoring.listed(kind)]
    told = [one["title"] for one in operator.types("history")["runs"]]
    assert {"alerts apply", "alerts test", "dashboard remove"} <= set(told)


def _move_to_firestore(tools: Toolbox) -> None:
    """Where a cutover leaves the service: on Firestore, driven by Cloud Scheduler alone."""
    env = {"SCHEDULER_STORAGE": "firestore", "SCHEDULER_LEGACY_LOOP": "false"}
    tools.service.quiesce(wait_seconds=5.0)
    tools.run.deploy(DeployRequest(env=env), timeout_seconds=60.0)
    assert tools.service.driver().driver == "cloud"


def _apply_twice(operator: Operator) -> None:
    assert not operator.types("alerts", "plan")["changed"]
    assert not operator.tools.monitoring.listed(Kind.POLICY)
    for part in ("alerts", "dashboard"):
        assert operator.types(part, "apply")["changed"]
        again = operator.types(part, "apply")
        assert not again["changed"]
        assert {one["action"] for one in again["changes"]} == {"already so"}
    assert operator.types("alerts", "check")["sound"]
    operator.types("dashboard", "open", code=3)


def _drift(operator: Operator) -> None:
    before = found_policies(operator.tools)["lag"]
    operator.tools.monitoring.update(Kind.POLICY, {**before, "enabled": False})
    (told,) = [
        one for one in operator.types("alerts", "plan")["changes"] if one["action"] == "change"
    ]
    assert (told["name"], told["diff"]) == ("lag", {"enabled": ["False", "True"]})
    assert not operator.types("alerts", "check", code=1)["sound"]
    assert operator.types("alerts", "apply")["changed"]
    assert operator.types("alerts", "check")["sound"]

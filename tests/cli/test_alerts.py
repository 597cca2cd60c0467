from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.errors import CloudError, ExitCode
from emonk_ops.monitoring_ports import Kind
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox


class Desk:
    """The commands over ports in memory; `target` is what the settings file says."""

    def __init__(self, folder: Path) -> None:
        self.world = InMemoryWorld()
        self.ports = InMemoryPorts(self.world)
        self._file = folder / "emonk-ops.toml"
        self.aim(Target.SANDBOX)

    def aim(self, target: Target) -> None:
        text = sample(target).replace("# channels = []", 'channels = ["oncall@example.com"]')
        self._file.write_text(text)

    def type(self, *words: str, env: str = "qa", code: int = 0) -> Any:
        argv = [*words, "--env", env]
        with_ = Collaborators(open_toolbox=self._open, argv=tuple(argv), journal_clock=_own)
        result = CliRunner().invoke(build(), argv, obj=with_)
        assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
        return result

    def ends(self) -> list[dict[str, Any]]:
        """What the journal holds of each run's end."""
        (journal,) = self._file.parent.glob(".emonk-ops/qa-*/journal.jsonl")
        records = [json.loads(line) for line in journal.read_text().splitlines()]
        return [one["body"] for one in records if one["kind"] == "run.ended"]

    def _open(
        self, env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        return Toolbox(env, self.ports, keep, waits=waits, say=say)


def _own(_env: Environment, clock: Any) -> Any:
    return clock


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMONK_ACTOR", "ann")
    monkeypatch.delenv("CI", raising=False)
    return Desk(tmp_path)


def test_a_plan_changes_nothing_and_names_apply(desk: Desk) -> None:
    told = desk.type("alerts", "plan").stdout
    assert "create     policy: Scheduler Tick Failures" in told
    assert "create     channel: oncall@example.com (emonk-agent)" in told
    assert told.splitlines()[-1] == "next: emonk-ops alerts apply --env qa"
    assert not any(desk.ports.monitoring.listed(kind) for kind in Kind)
    assert "alerts" not in desk.type("history").stdout


def test_apply_is_recorded_with_what_it_changed_and_why(desk: Desk) -> None:
    desk.type("alerts", "apply", "--reason", "cutover")
    desk.type("alerts", "apply")
    first, second = desk.ends()
    assert (first["changed"], second["changed"]) == (True, False)
    assert "create policy Scheduler Lag" in first["changes"]
    assert (second["summary"], second["changes"]) == ("31 already so", [])
    runs = json.loads(desk.type("history", "--json").stdout)["data"]["runs"]
    assert [(one["title"], one["reason"]) for one in runs] == [
        ("alerts apply", "cutover"),
        ("alerts apply", ""),
    ]


def test_drift_is_shown_as_field_now_and_then(desk: Desk) -> None:
    desk.type("alerts", "apply")
    lag = next(
        one
        for one in desk.ports.monitoring.listed(Kind.POLICY)
        if one["displayName"] == "Scheduler Lag"
    )
    desk.ports.monitoring.update(Kind.POLICY, {**lag, "enabled": False})
    told = desk.type("alerts", "plan").stdout
    assert "change     policy: Scheduler Lag" in told
    assert "enabled: False -> True" in told
    assert told.splitlines()[-1] == "next: emonk-ops alerts apply --env qa"
    failed = desk.type("alerts", "check", code=ExitCode.CHECK_FAILED).stdout
    assert "FAIL Scheduler Lag" in failed
    assert "PASS Scheduler Heartbeat" in failed


def test_an_apply_that_breaks_off_is_recorded_as_a_change(desk: Desk) -> None:
    def refuse(call: str) -> None:
        if call == "create policy":
            raise CloudError("Cannot find metric(s) that match type")

    desk.world.before = refuse
    answer = desk.type("alerts", "apply", code=ExitCode.WAITING)
    assert "emonk-ops alerts apply --env qa" in answer.stderr
    (end,) = desk.ends()
    assert (end["changed"], end["exit_code"]) == (True, ExitCode.WAITING)


@pytest.mark.parametrize(
    "words", [("alerts", "apply"), ("alerts", "remove"), ("dashboard", "apply")]
)
def test_in_production_without_a_terminal_yes_is_needed(desk: Desk, words: tuple[str, ...]) -> None:
    answer = desk.type(*words, env="production", code=ExitCode.REFUSED)
    assert f"emonk-ops {' '.join(words)} --env production --yes" in answer.stderr
    desk.type(*words, "--yes", env="production")


def test_alerts_are_never_tested_in_real_production(desk: Desk) -> None:
    desk.aim(Target.GCP)
    answer = desk.type("alerts", "test", "--yes", env="production", code=ExitCode.REFUSED)
    assert "production is production" in answer.stderr


def test_what_a_test_found_decides_its_exit_code(desk: Desk) -> None:
    desk.type("alerts", "test", "nonsense", code=ExitCode.USAGE)
    desk.type("alerts", "apply")
    desk.type("alerts", "test", "storage-errors", code=ExitCode.INCONCLUSIVE)
    here = desk.type("alerts", "test", "heartbeat", code=ExitCode.INCONCLUSIVE).stdout
    assert "heartbeat: cannot be tested here: the Cloud Scheduler job is missing" in here
    told = desk.type("alerts", "test", "duplicates", code=ExitCode.CHECK_FAILED).stdout
    assert "duplicates: did not fire: written log entries labelled as a test" in told


def test_a_dashboard_is_opened_by_its_address(desk: Desk) -> None:
    desk.type("dashboard", "open", code=ExitCode.CLOUD)
    desk.type("dashboard", "apply")
    refused = desk.type("dashboard", "open", code=ExitCode.REFUSED)
    assert "no console" in refused.stderr
    desk.aim(Target.GCP)
    told = desk.type("dashboard", "open").stdout
    assert "https://console.cloud.google.com/monitoring/dashboards/builder/" in told
    assert "?project=your-qa-project" in told


def test_remove_takes_all_of_ours_and_a_second_time_nothing(desk: Desk) -> None:
    desk.type("alerts", "apply")
    desk.type("alerts", "remove")
    assert not any(desk.ports.monitoring.listed(kind) for kind in Kind)
    told = desk.type("alerts", "remove").stdout
    assert told.splitlines()[-1] == "  nothing of ours is there"


def test_the_roles_for_it_are_named(desk: Desk) -> None:
    told = desk.type("config", "permissions").stdout
    assert "roles/monitoring.editor" in told
    assert "roles/logging.configWriter" in told

"""`emonk-ops diagnose` as its user meets it: told, mended, refused, watched, packed."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.errors import ExitCode, OpsError, PermissionMissing, Unreachable
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Target
from emonk_ops.settings_sample import sample
from tests.cli.night_world import NightWorld

ISSUES = ("jobs-not-executing", "duplicate-execution", "not-triggering", "high-latency")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    return tmp_path


@pytest.fixture
def night(folder: Path) -> NightWorld:
    return NightWorld(folder)


def drifted(night: NightWorld) -> None:
    job = night.ports.jobs.describe()
    assert job is not None
    night.ports.jobs.update(replace(job.spec, schedule="0 4 * * *"))


def journal(folder: Path, env: str = "qa") -> list[dict[str, Any]]:
    paths = list((folder / ".emonk-ops").glob(f"{env}-*/journal.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


class Failing:
    """A port whose every call fails so."""

    def __init__(self, error: OpsError) -> None:
        self._error = error

    def __getattr__(self, _name: str) -> Any:
        def call(*_args: object, **_named: object) -> Iterator[LogEntry]:
            raise self._error

        return call


def test_a_healthy_service_has_nothing_wrong_and_what_was_looked_at_is_said(
    night: NightWorld,
) -> None:
    found = night.type()
    assert found.exit_code == ExitCode.DONE, found.output
    assert "nothing wrong found, in 12 ticks and 12 requests since 2026-01-05" in found.stdout
    for issue in ISSUES:
        assert f"PASS         {issue}: " in found.stdout
        one = night.type(issue)
        assert one.exit_code == ExitCode.DONE
        assert one.stdout.count("PASS") == 1
    assert not journal(night.folder)


def test_a_cause_is_told_with_evidence_and_the_next_command(night: NightWorld) -> None:
    night.ports.jobs.pause()
    night.passes(16)
    found = night.type("not-triggering", "--window", "15m")
    assert found.exit_code == ExitCode.CHECK_FAILED
    lines = found.stdout.splitlines()
    assert lines[1] == "first cause: scheduler-job-paused"
    assert "evidence: emonk-agent-tick is PAUSED, and the driver is cloud" in found.stdout
    assert lines[-1] == 'next: emonk-ops scheduler resume --env qa --reason "it drives"'
    data = json.loads(night.type("--json", "--window", "15m").stdout)
    assert (data["exit_code"], data["command"]) == (1, "diagnose")
    first = data["data"]["causes"][0]
    assert (first["cause"], first["fix"]) == ("scheduler-job-paused", "resume-scheduler-job")
    assert {one["issue"]: one["verdict"] for one in data["data"]["symptoms"]}[
        "not-triggering"
    ] == "FAIL"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("slow",), "there is no issue 'slow'"),
        (("--window", "5s"), "too short to see a tick"),
        (("--window", "soon"), "is not a duration"),
        (("--watch", "--fix"), "--watch only looks"),
    ],
)
def test_what_makes_no_sense_is_usage(
    night: NightWorld, words: tuple[str, ...], sentence: str
) -> None:
    found = night.type(*words)
    assert found.exit_code == ExitCode.USAGE
    assert sentence in found.stderr


def test_fix_shows_its_plan_mends_records_and_may_be_repeated(night: NightWorld) -> None:
    night.ports.jobs.pause()
    drifted(night)
    found = night.type("--fix", "--yes", "--reason", "it stood still")
    assert found.exit_code == ExitCode.DONE, found.output
    assert "schedule: 0 4 * * * -> */5 * * * *" in found.stdout
    job = night.ports.jobs.describe()
    assert job is not None
    assert (job.state, job.spec.schedule) == ("ENABLED", "*/5 * * * *")
    again = night.type("--fix", "--yes")
    assert again.exit_code == ExitCode.DONE
    assert "already so: nothing to repair" in again.stdout
    ended = [
        one["body"]["id"] for one in journal(night.folder) if one["kind"] == "repair.step.ended"
    ]
    assert ended == ["resume-scheduler-job", "bring-job-back"]
    told = CliRunner().invoke(build(), ["history", "--env", "qa"]).output
    assert "diagnose --fix" in told
    assert "it stood still" in told
    assert "done bring-job-back" in told


def test_a_fix_that_was_killed_sends_nobody_back(night: NightWorld) -> None:
    """Typed again it does what is left; a rollback would undo a stage that has passed."""
    night.ports.jobs.pause()
    drifted(night)

    def killed(_call: str) -> None:
        raise KeyboardInterrupt

    night.world.after = killed
    assert night.type("--fix", "--yes").exit_code != ExitCode.DONE
    assert [one["kind"] for one in journal(night.folder)][-1] == "repair.step.started"
    night.world.after = lambda _call: None
    again = night.type("--fix", "--yes")
    assert again.exit_code == ExitCode.DONE, again.output
    assert "rollback" not in again.output
    job = night.ports.jobs.describe()
    assert job is not None
    assert (job.state, job.spec.schedule) == ("ENABLED", "*/5 * * * *")


def test_fix_leaves_to_a_person_what_is_not_safe(night: NightWorld) -> None:
    night.ports.service.quiesce(wait_seconds=0)
    found = night.type("--fix", "--yes")
    assert found.exit_code == ExitCode.CHECK_FAILED
    assert "no repair is safe to do at once" in found.stdout
    assert "by hand: emonk-ops rollback --env qa" in found.stdout
    assert night.ports.service.driver().driver == "nobody"


def test_fix_is_refused_with_the_diff_when_the_world_changed_meanwhile(night: NightWorld) -> None:
    drifted(night)

    def somebody_is_quicker() -> None:
        job = night.ports.jobs.describe()
        assert job is not None
        night.ports.jobs.update(replace(job.spec, schedule="30 4 * * *"))

    night.heard = somebody_is_quicker
    found = night.type("--fix", "--yes")
    assert found.exit_code == ExitCode.REFUSED, found.output
    assert "the world changed between plan and act: bring-job-back" in found.stderr
    assert "- schedule: 0 4 * * * -> */5 * * * *" in found.stdout
    assert "+ schedule: 30 4 * * * -> */5 * * * *" in found.stdout
    job = night.ports.jobs.describe()
    assert job is not None
    assert job.spec.schedule == "30 4 * * *"


def test_fix_respects_hold_lock_and_production(folder: Path, night: NightWorld) -> None:
    night.ports.jobs.pause()
    assert _types("hold", "--reason", "an incident") == 0
    held = night.type("--fix", "--yes")
    assert held.exit_code == ExitCode.REFUSED
    assert "qa is on hold: an incident" in held.stderr
    assert _types("resume", "--reason", "it is over") == 0
    assert _types("lock", "acquire", "--reason", "a freeze", "--for", "1h") == 0
    assert night.type("--fix", "--yes").exit_code == ExitCode.REFUSED
    assert _types("lock", "release", "--reason", "over") == 0
    job = night.ports.jobs.describe()
    assert job is not None
    assert job.state == "PAUSED"
    production = NightWorld(folder, "production")
    production.ports.jobs.pause()
    unasked = production.type("--fix")
    assert unasked.exit_code == ExitCode.REFUSED
    assert "there is nobody to ask" in unasked.stderr


def _types(*words: str) -> int:
    return CliRunner().invoke(build(), [*words, "--env", "qa"]).exit_code


def test_without_the_log_a_diagnosis_says_so_and_names_only_what_it_saw(night: NightWorld) -> None:
    denied = PermissionMissing("logging.entries.list: permission denied", hint="ask somebody")
    night.ports.logs = Failing(denied)  # type: ignore[assignment]
    blind = night.type()
    assert blind.exit_code == ExitCode.INCONCLUSIVE, blind.output
    assert "inconclusive: nothing wrong found in 1 stored jobs, service" in blind.stdout
    assert "not seen: log: logging.entries.list: permission denied" in blind.stdout
    night.ports.jobs.pause()
    found = night.type()
    assert found.exit_code == ExitCode.CHECK_FAILED
    assert "first cause: scheduler-job-paused" in found.stdout


def test_a_cloud_out_of_reach_is_no_finding(night: NightWorld) -> None:
    away: Any = Failing(Unreachable("no answer", hint="emonk-ops sandbox up"))
    for name in ("run", "jobs", "logs", "service", "platform", "access", "invokers"):
        setattr(night.ports, name, away)
    found = night.type("--json")
    assert found.exit_code == ExitCode.CLOUD
    document = json.loads(found.stdout)
    assert document["errors"][0]["code"] == "unreachable"
    assert document["data"]["causes"] == []


def test_watching_says_what_comes_and_what_is_over(night: NightWorld) -> None:
    night.ports.jobs.pause()
    begun = night.world.clock.now()

    moved = night.world.clock.on_move

    def mended_after_a_minute(before: datetime, after: datetime) -> None:
        if (before - begun).total_seconds() > 60:
            night.ports.jobs.resume()
        moved(before, after)

    night.world.clock.on_move = mended_after_a_minute
    found = night.type("--watch", "--for", "3")
    assert found.exit_code == ExitCode.DONE, found.output
    assert found.stdout.count("1. scheduler-job-paused") == 1
    assert "over: scheduler-job-paused" in found.stdout
    assert found.stdout.splitlines()[-1].endswith(
        "stored jobs, service, scheduler job, driver, health, access"
    )


def test_a_bundle_is_readable_bounded_and_without_secrets(night: NightWorld) -> None:
    night.ports.jobs.pause()
    night.keep("letter", payload={"password": "open sesame"})
    night.world.write("Odd", severity="ERROR", error="got Bearer abcdefghijkl from him")
    path = night.folder / "out" / "bundle.tar.gz"
    found = night.type("--bundle", str(path), "--json")
    assert found.exit_code == ExitCode.CHECK_FAILED
    told = json.loads(found.stdout)["data"]["bundle"]
    assert told["path"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    texts = _unpacked(path)
    names = list(texts)
    assert names[0] == "README.txt"
    for name in names[1:]:
        assert name in texts["README.txt"]
    assert "first cause: scheduler-job-paused" in texts["diagnosis.txt"]
    assert len(texts["ticks.jsonl"].splitlines()) == 12
    assert "Odd" in texts["errors.jsonl"]
    everything = "".join(texts.values())
    assert "open sesame" not in everything
    assert "abcdefghijkl" not in everything
    assert json.loads(texts["scheduler-job.json"])["job"]["state"] == "PAUSED"
    assert night.type("--bundle", str(night.folder)).exit_code == ExitCode.USAGE


def _unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        files = {one.name: tar.extractfile(one) for one in tar.getmembers()}
        return {
            name.removeprefix("emonk-diagnosis/"): file.read().decode()
            for name, file in files.items()
            if file is not None
        }

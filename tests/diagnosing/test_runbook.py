"""runbook.md says what the causes say, and each of its commands can be typed."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.operations.diagnosing.causes import CAUSES
from emonk_ops.operations.diagnosing.runbook import runbook
from emonk_ops.operations.diagnosing.typed import commands_in, marked, twin_of
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_file import read_settings
from emonk_ops.settings_sample import sample

ROOT = Path(__file__).parents[2]


@pytest.fixture
def production(tmp_path: Path) -> Environment:
    path = tmp_path / "emonk-ops.toml"
    path.write_text(sample(Target.GCP))
    return read_settings(path, {}).environment("production")


def test_the_runbook_is_up_to_date(production: Environment) -> None:
    told = "emonk-ops init && emonk-ops runbook --env production > runbook.md"
    assert (ROOT / "runbook.md").read_text() == runbook(production), told


def test_every_cause_and_every_level_is_in_it(production: Environment) -> None:
    text = runbook(production)
    assert [one.id for one in CAUSES if f"\n### {one.id}\n" not in text] == []
    assert all(f"| {level} |" in text for level in range(1, 5))


def test_contacts_come_from_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "emonk-ops.toml"
    text = sample(Target.GCP).replace('# level_2 = ""', 'level_2 = "Ann, +43 1 234"')
    path.write_text(text)
    assert "Ann, +43 1 234" in runbook(read_settings(path, {}).environment("production"))


@pytest.mark.parametrize("line", sorted({
    command
    for cause in CAUSES
    for text in (cause.see, cause.command, cause.over)
    for command in commands_in(text)
    if command.startswith("emonk-ops")
}))  # fmt: skip
def test_each_command_can_be_typed(line: str) -> None:
    words = shlex.split(line.replace("{", "").replace("}", ""))[1:]
    # --help is answered once every other word has been understood.
    answer = CliRunner().invoke(build(), [*words, "--help"])
    assert (answer.exit_code, "Usage:" in answer.output) == (0, True), answer.output


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("emonk-ops status --env {env} shows it.", ["emonk-ops status --env {env}"]),
        (
            'emonk-ops jobs release {job_id} --env {env} --force --reason "it is gone", or wait',
            ['emonk-ops jobs release {job_id} --env {env} --force --reason "it is gone"'],
        ),
        (
            "emonk-ops scheduler pause --env {env}, then: emonk-ops rollback --env {env}",
            ["emonk-ops scheduler pause --env {env}", "emonk-ops rollback --env {env}"],
        ),
        ("Look at the dashboard", []),
        (
            "gcloud iam service-accounts create NAME --project {project}, or undelete it",
            ["gcloud iam service-accounts create NAME --project {project}"],
        ),
    ],
)
def test_commands_are_found_in_sentences(text: str, commands: list[str]) -> None:
    assert list(commands_in(text)) == commands
    assert marked(text).count("`") == 2 * len(commands)


def test_the_longest_beginning_says_what_gcloud_says() -> None:
    assert "jobs pause" in twin_of("emonk-ops rollback --emergency")
    assert "jobs pause" not in twin_of("emonk-ops rollback --env production")
    assert twin_of("emonk-ops stage 4 --env production") == ""

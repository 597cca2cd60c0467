"""`stage N --plan` of the real stages, over a service in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.clock import SystemClock
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.toolbox import Toolbox
from tests.docs.guide_lines import said_by_the_guide

NUMBERS = range(6)
WIDTH = 80
Types = Callable[..., str]


def open_toolbox(
    env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
) -> Toolbox:
    return Toolbox(env, InMemoryPorts(InMemoryWorld()), keep, waits=waits, say=say)


@pytest.fixture
def types(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Types:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    app = build()

    def run(*argv: str) -> str:
        words = list(argv)
        world = Collaborators(
            open_toolbox=open_toolbox,
            journal_clock=lambda _env, _fallback: SystemClock(),
            argv=tuple(words),
        )
        result = CliRunner().invoke(app, words, obj=world)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def guide_of(types: Types, number: int, env: str) -> list[dict[str, Any]]:
    envelope = json.loads(types("stage", str(number), "--env", env, "--plan", "--json"))
    found: list[dict[str, Any]] = envelope["data"]["plan"]["guide"]
    return found


@pytest.mark.parametrize("env", ["qa", "production"])
def test_the_plans_of_all_stages_list_every_line_of_the_guide(types: Types, env: str) -> None:
    rows = [one for number in NUMBERS for one in guide_of(types, number, env)]
    told = [(one["heading"], one["section"], one["line"]) for one in rows]
    assert sorted(told) == sorted(said_by_the_guide())
    assert all((one["ids"] and one["by"]) or one["only"] for one in rows)


def test_a_line_names_its_ids_and_the_command_that_answers(types: Types) -> None:
    def answers(number: int, env: str) -> dict[str, tuple[list[str], str]]:
        return {one["line"]: (one["ids"], one["by"]) for one in guide_of(types, number, env)}

    qa, production = answers(4, "qa"), answers(4, "production")
    assert qa["Alert if p99 >5s"] == (["tick-latency"], "alerts apply")
    assert qa["Leases expire after 5 minutes"] == (["restart/leases-expire"], "inject suite")
    assert qa["Duplicate trigger test"][1] == "inject suite --appendix"
    assert production["Duplicate trigger test"][1] == "inject suite --appendix --env qa"
    assert production["Monitor for 24 hours"] == (["monitored"], "stage 4")
    assert qa["Monitor for 24 hours"] == ([], "")
    triggers = "Scheduler job triggers every configured interval"
    assert answers(2, "qa")[triggers] == (["triggers"], "stage 2")
    assert answers(2, "production")[triggers] == (["shadow-without-issues"], "stage 3")


@pytest.mark.parametrize("env", ["qa", "production"])
@pytest.mark.parametrize("number", NUMBERS)
def test_the_screen_has_them_within_its_width(types: Types, number: int, env: str) -> None:
    screen = types("stage", str(number), "--env", env, "--plan").splitlines()
    shown = screen[screen.index("== the guide") + 1 :]
    rows = guide_of(types, number, env)
    assert [line for line in shown if len(line) > WIDTH] == []
    answers = [line for line in shown if line.startswith("        -> ")]
    assert len(answers) == len(rows)
    for row in rows:
        assert any(line.strip("… ") and row["line"].startswith(line.strip("… ")) for line in shown)
        assert all(any(one in line for line in shown) for one in row["ids"])

"""The options of `rollback`, as they are typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place


@pytest.mark.parametrize(
    "words",
    [
        ("--emergency", "--partial"),
        ("--to", "1", "--further"),
        ("drill", "--emergency"),
        ("--partial", "--to", "0"),
    ],
)
def test_kinds_of_rollback_exclude_each_other(place: Place, words: tuple[str, ...]) -> None:
    answer = place.type("rollback", *words, "-e", "qa")
    assert answer.code == ExitCode.USAGE
    assert "exclude each other" in answer.err


def test_to_a_stage_with_its_plan_and_its_refusals(place: Place) -> None:
    place.pass_stage_0()
    assert place.type("stage", "1", "-e", "qa").code == 0
    unknown = place.type("rollback", "--to", "9", "-e", "qa")
    assert unknown.code == ExitCode.USAGE
    assert "--to 9: there is no such stage" in unknown.err
    not_passed = place.type("rollback", "--to", "3", "-e", "qa")
    assert not_passed.code == ExitCode.REFUSED
    assert "stage 3 has not passed in qa; passed: 0, 1" in not_passed.err
    plan = place.type("rollback", "--to", "0", "--plan", "-e", "qa")
    assert "plan of the rollback of stage 1" in plan.out
    assert place.serves == "b"
    done = place.type("rollback", "--to", "0", "-e", "qa")
    assert done.code == 0
    assert "DONE: stage 1 is rolled back in qa" in done.out
    assert place.serves == "a"
    again = place.type("rollback", "--to", "0", "-e", "qa")
    assert again.code == 0
    assert "already so: stage 0 is the last that holds" in again.out


def test_production_wants_a_flag_for_each_but_an_emergency(place: Place) -> None:
    answer = place.type("rollback", "--to", "0", "-e", "production")
    assert answer.code == ExitCode.REFUSED
    assert "rollback --to 0 --env production --yes" in answer.err


def test_an_emergency_goes_by_its_own_setting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EMONK_ENV", raising=False)
    settings = place.folder / "emonk-ops.toml"
    text = settings.read_text()
    named = 'emergency_env = "production"'
    assert named in text
    settings.write_text(text.replace(named, 'emergency_env = "prod"'))
    wrong = place.type("rollback", "--emergency")
    assert wrong.code == ExitCode.USAGE
    assert "rollback.emergency_env is 'prod'. Environments: qa, production" in wrong.err
    settings.write_text(text.replace(named, ""))
    nothing = place.type("rollback", "--emergency")
    assert nothing.code == ExitCode.USAGE
    assert "which environment?" in nothing.err


def test_a_partial_one_needs_stage_4(place: Place) -> None:
    place.pass_stage_0()
    answer = place.type("rollback", "--partial", "-e", "qa")
    assert answer.code == ExitCode.REFUSED
    assert "has changed nothing in qa" in answer.err.replace("\n", " ")

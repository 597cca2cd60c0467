from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import pytest

from emonk_ops.cli.app import ENTRIES
from emonk_ops.errors import EXIT_CODE_MEANINGS, ExitCode

if TYPE_CHECKING:
    from .conftest import Place

ENVELOPE_KEYS = {
    "schema_version",
    "command",
    "status",
    "exit_code",
    "target",
    "env",
    "data",
    "errors",
}


def test_every_screen_begins_with_environment_target_and_project(place: Place) -> None:
    for words in (("history",), ("lock", "status"), ("stage", "1", "--plan"), ("config", "show")):
        first = place.type(*words, "--env", "qa").out.splitlines()[0]
        assert first.startswith("qa | SANDBOX | project emonk-qa |"), words


def test_a_stage_shows_each_check_with_its_evidence_and_the_next_command(place: Place) -> None:
    answer = place.type("stage", "0", "--env", "qa", "--confirm", "word=PR 41, by two")
    assert answer.code == 0
    assert "PASS ready: ready holds" in answer.out
    assert "evidence: token=" in answer.out
    assert "attested by ann" in answer.out
    assert answer.out.splitlines()[-1] == "next: emonk-ops stage 1 --env qa"


def test_without_a_terminal_a_missing_word_is_named_with_its_flag(place: Place) -> None:
    answer = place.type("stage", "0", "--env", "qa")
    assert answer.code == ExitCode.REFUSED
    assert '--confirm word="…"' in answer.out


def test_a_plan_shows_the_difference_and_changes_nothing(place: Place) -> None:
    place.pass_stage_0()
    answer = place.type("stage", "1", "--env", "qa", "--plan")
    assert answer.code == 0
    assert "change     serve: serve b: would serve b" in answer.out
    assert "serves: a -> b" in answer.out
    assert place.serves == "a"
    assert "stage 1" not in place.type("history", "--env", "qa").out


def test_a_plan_says_why_the_stage_may_not_start(place: Place) -> None:
    answer = place.type("stage", "1", "--env", "qa", "--plan")
    assert answer.code == 0
    assert "not now: stage 1 needs stage 0" in answer.out


def test_forth_and_back_and_back_again(place: Place) -> None:
    place.pass_stage_0()
    assert place.type("stage", "1", "--env", "qa").code == 0
    assert place.serves == "b"
    assert "serve as before" in place.type("rollback", "--env", "qa", "--plan").out
    assert place.serves == "b"
    first = place.type("rollback", "--env", "qa", "--yes")
    assert (first.code, place.serves) == (0, "a")
    assert "of 30 s" in first.out
    again = place.type("rollback", "--env", "qa", "--yes")
    assert again.code == 0
    assert "already so: nothing left to roll back" in again.out
    refused = place.type("stage", "1", "--env", "qa")
    assert refused.code == ExitCode.REFUSED
    assert "emonk-ops resume --env qa --reason" in refused.err
    assert place.type("resume", "--env", "qa").code == ExitCode.USAGE
    assert place.type("resume", "--env", "qa", "--reason", "mended").code == 0
    assert place.type("stage", "1", "--env", "qa").code == 0


def test_a_failed_verify_is_rolled_back_with_exit_code_6(place: Place) -> None:
    place.pass_stage_0()
    place.world(verdicts={"serving": "FAIL"})
    answer = place.type("stage", "1", "--env", "qa")
    assert (answer.code, place.serves) == (ExitCode.ROLLED_BACK, "a")


def test_a_rollback_that_does_not_complete_is_exit_code_7_and_goes_on_later(place: Place) -> None:
    place.pass_stage_0()
    place.type("stage", "1", "--env", "qa")
    place.world(broken=["undo"])
    answer = place.type("rollback", "--env", "qa", "--yes")
    assert answer.code == ExitCode.RESTORE_INCOMPLETE
    assert "left: undo: serve as before" in answer.out
    told = place.type("history", "--env", "qa").out
    assert "unfinished: rollback of stage 1 by ann" in told
    assert "rollback did not complete" in told
    place.world(broken=[])
    assert place.type("rollback", "--env", "qa", "--yes").code == 0
    assert place.serves == "a"


@pytest.mark.parametrize(
    "words",
    [
        ("stage", "0", "--env", "qa", "--confirm", "word=yes"),
        ("stage", "0", "--env", "qa"),
        ("stage", "1", "--env", "qa"),
        ("stage", "1", "--env", "qa", "--plan"),
        ("rollback", "--env", "qa"),
        ("rollback", "--env", "qa", "--plan"),
        ("resume", "--env", "qa", "--reason", "why"),
        ("history", "--env", "qa"),
        ("lock", "status", "--env", "qa"),
        ("config", "show", "--env", "qa"),
        ("config", "check"),
        ("config", "permissions", "--env", "qa"),
        ("stage", "1", "--env", "nowhere"),
    ],
)
def test_json_is_one_envelope_on_stdout_and_agrees_with_the_exit_code(
    place: Place, words: tuple[str, ...]
) -> None:
    answer = place.type(*words, "--json")
    envelope = answer.envelope
    assert set(envelope) == ENVELOPE_KEYS
    assert envelope["schema_version"] == 1
    assert envelope["exit_code"] == answer.code
    assert answer.out.count("\n") == 1
    assert "hidden" not in answer.out
    for error in envelope["errors"]:
        assert set(error) == {"code", "message", "hint"}


def test_the_stage_envelope_keeps_its_keys(place: Place) -> None:
    place.pass_stage_0()
    data = place.type("stage", "1", "--env", "qa", "--json").envelope["data"]
    assert set(data) == {
        "stage",
        "title",
        "summary",
        "changed",
        "already_so",
        "forced",
        "phases",
        "steps",
        "rollback",
        "wait_until",
        "next",
        "seconds",
    }
    assert set(data["phases"]) == {"checks", "verify", "acceptance"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("stage", "7", "--env", "qa"), "there is no stage 7"),
        (("stage", "4", "--env", "qa"), "stage 4 is not there yet"),
        (("stage", "1", "--env", "qaa"), "Did you mean 'qa'?"),
        (("stage", "1"), "which environment?"),
        (("stage", "0", "--env", "qa", "--confirm", "wrd=x"), "Did you mean word?"),
        (("stage", "0", "--env", "qa", "--confirm", "word"), "expected a check and your words"),
    ],
)
def test_an_unknown_name_says_what_exists_and_ends_with_2(
    place: Place, words: tuple[str, ...], said: str
) -> None:
    answer = place.type(*words)
    assert answer.code == ExitCode.USAGE
    assert said in answer.err


def test_a_bug_is_one_sentence_and_exit_code_70(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.world(seconds="not a number", verdicts={"ready": "MAYBE"})
    answer = place.type("stage", "0", "--env", "qa")
    assert answer.code == ExitCode.BUG
    assert "a bug in emonk-ops: ValueError: 'MAYBE'" in answer.err
    assert "Traceback" not in answer.err
    assert "(exit 70)" in place.type("history", "--env", "qa").out
    monkeypatch.setenv("EMONK_DEBUG", "1")
    with pytest.raises(ValueError, match="MAYBE"):
        place.type("stage", "0", "--env", "qa")


def test_what_passed_in_the_sandbox_says_nothing_about_the_real_cloud(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.pass_stage_0()
    monkeypatch.setenv("EMONK_TARGET", "gcp")
    answer = place.type("stage", "1", "--env", "qa")
    assert answer.code == ExitCode.REFUSED
    assert "needs stage 0" in answer.err


def test_production_without_a_terminal_wants_yes(place: Place) -> None:
    place.pass_stage_0("production")
    answer = place.type("stage", "1", "--env", "production")
    assert (answer.code, place.serves) == (ExitCode.REFUSED, "a")
    assert "--yes" in answer.err
    assert place.type("stage", "1", "--env", "production", "--yes").code == 0


def test_a_damaged_journal_is_named_by_file_and_line_and_left_alone(place: Place) -> None:
    place.pass_stage_0()
    path = place.folder / ".emonk-ops/qa-sandbox-emonk-qa/journal.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    damaged = "".join([lines[0], lines[1].replace("ready", "steady"), *lines[2:]])
    path.write_text(damaged)
    answer = place.type("stage", "1", "--env", "qa")
    assert answer.code == ExitCode.REFUSED
    assert "journal.jsonl:2:" in answer.err
    assert path.read_text() == damaged


def test_secrets_do_not_enter_the_journal(place: Place) -> None:
    place.pass_stage_0()
    assert (
        "hidden" not in (place.folder / ".emonk-ops/qa-sandbox-emonk-qa/journal.jsonl").read_text()
    )


def test_junit_has_a_suite_per_phase_and_a_case_per_check(place: Place) -> None:
    place.world(verdicts={"ready": "FAIL"})
    place.type("stage", "0", "--env", "qa", "--junit", "out/report.xml")
    suite = Xml.parse(place.folder / "out/report.xml").getroot()[0]
    assert suite.get("name") == "stage 0 checks"
    assert (suite.get("tests"), suite.get("failures")) == ("2", "2")
    assert [case.get("name") for case in suite.iter("testcase")] == ["ready", "word"]


def test_a_pipeline_gets_a_step_summary(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place.folder / "summary.md"))
    place.type("stage", "0", "--env", "qa")
    text = (place.folder / "summary.md").read_text()
    assert "### Stage 0 in qa: refused (exit 3)" in text
    assert "| checks | ready: ready holds | PASS |" in text


def test_in_ci_against_the_real_cloud_a_file_state_is_refused_unless_said_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("EMONK_TARGET", "gcp")
    answer = place.type("stage", "0", "--env", "qa")
    assert answer.code == ExitCode.REFUSED
    assert "EMONK_STATE_FILE_IN_CI=1" in answer.err
    settings = place.folder / "emonk-ops.toml"
    settings.write_text(settings.read_text().replace("# file_in_ci = false", "file_in_ci = true"))
    assert "EMONK_STATE_FILE_IN_CI=1" in place.type("stage", "0", "--env", "qa").err
    monkeypatch.setenv("EMONK_STATE_FILE_IN_CI", "1")
    assert place.type("stage", "0", "--env", "qa", "--confirm", "word=x").code == 0


def test_the_help_lists_every_exit_code(place: Place) -> None:
    out = place.type("help", "exit-codes").out
    for code, meaning in EXIT_CODE_MEANINGS.items():
        assert f"{int(code):4}  {meaning}" in out
    assert out.splitlines()[-1].endswith("7, 6, 4, 1, 3, 5, 75, 0")


def test_the_lock_tells_its_holder_and_is_released_only_with_a_reason(place: Place) -> None:
    assert "free" in place.type("lock", "status", "--env", "qa").out
    assert "already so" in place.type("lock", "release", "--env", "qa").out
    path = place.folder / ".emonk-ops/qa-sandbox-emonk-qa/lock.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lease = {
        "holder": "bob",
        "host": "elsewhere",
        "machine": "elsewhere pid:[1]",
        "pid": 7,
        "born": "1",
        "reason": "stage 1",
        "run": "r",
        "fence": 3,
        "taken_at": "2026-01-05T12:00:00+00:00",
        "expires_at": "2999-01-05T12:00:00+00:00",
    }
    path.write_text(json.dumps(lease))
    refused = place.type("stage", "0", "--env", "qa")
    assert refused.code == ExitCode.REFUSED
    assert "bob (pid 7 on elsewhere)" in refused.err
    release = ("lock", "release", "--env", "qa")
    assert place.type(*release).code == ExitCode.USAGE
    assert place.type(*release, "--reason", "bob went home").code == ExitCode.REFUSED
    assert place.type(*release, "--reason", "bob went home", "--force").code == 0
    assert place.type("stage", "0", "--env", "qa", "--confirm", "word=x").code == 0


def test_init_writes_what_config_check_accepts_and_never_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place
) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert place.type("init").code == 0
    assert place.type("config", "check").code == 0
    assert place.type("init").code == ExitCode.REFUSED
    assert "qa | Google Cloud" in place.type("config", "show", "--env", "qa").out


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_what_the_help_says_of_a_command_is_what_the_command_says(name: str) -> None:
    said = ENTRIES[name].load().help
    assert " ".join(said.split("\f")[0].split()) == ENTRIES[name].help


def test_a_mistyped_command_gets_the_nearest(place: Place) -> None:
    answer = place.type("stauts")
    assert answer.code == ExitCode.USAGE
    assert "status" in answer.err

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emonk_ops.cli.output import in_encoding
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from .conftest import Place

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0


def start(place: Place, *argv: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        place.command(*argv),
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if text in line:
            return seen
    raise AssertionError(f"{text!r} never came: {seen}")


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_a_signal_is_recorded_frees_the_lock_and_the_next_run_goes_on(
    place: Place, signum: signal.Signals, code: ExitCode
) -> None:
    place.pass_stage_0()
    place.world(seconds=60)
    process = start(place, "stage", "1", "--env", "qa")
    read_until(process, "... serve")
    process.send_signal(signum)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert f"stopped by {signum.name}" in err
    assert "free" in place.type("lock", "status", "--env", "qa").out
    place.world(seconds=0)
    again = place.type("stage", "1", "--env", "qa")
    assert again.code == 0
    assert "unfinished: stage 1: serve b by ann" in again.out
    assert "interrupted" in place.type("history", "--env", "qa").out


def test_after_kill_9_the_next_run_takes_the_lock_over_and_goes_on(place: Place) -> None:
    place.pass_stage_0()
    place.world(seconds=60)
    process = start(place, "stage", "1", "--env", "qa")
    read_until(process, "... serve")
    other = start(place, "stage", "1", "--env", "qa")
    _, err = other.communicate(timeout=PATIENCE)
    assert other.returncode == ExitCode.REFUSED
    assert f"locked: ann (pid {process.pid}" in err
    process.kill()
    process.communicate(timeout=PATIENCE)
    place.world(seconds=0)
    assert place.type("stage", "1", "--env", "qa").code == 0
    assert "took over a dead lock: ann" in place.type("history", "--env", "qa").out


def test_a_reader_that_goes_away_ends_no_rollout(place: Place) -> None:
    place.pass_stage_0()
    place.world(seconds=0.3)
    process = start(place, "stage", "1", "--env", "qa")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(timeout=PATIENCE) == 0
    assert "Traceback" not in err
    assert "Exception ignored" not in err
    process.stderr.close()
    assert place.serves == "b"


def on_a_terminal(
    place: Place, *argv: str, answers: tuple[tuple[str, str], ...] = ()
) -> tuple[int, str]:
    """(exit code, screen); types each answer when its question has appeared."""
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    process = subprocess.Popen(
        place.command(*argv),
        cwd=place.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environ,
        start_new_session=True,
    )
    os.close(theirs)
    screen, waiting, until = "", list(answers), time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        screen += part.decode(errors="replace")
        if waiting and waiting[0][0] in screen:
            os.write(ours, waiting.pop(0)[1].encode() + b"\n")
    os.close(ours)
    return process.wait(timeout=PATIENCE), screen


def test_on_a_terminal_a_person_is_asked_and_their_word_is_recorded(place: Place) -> None:
    code, screen = on_a_terminal(
        place, "stage", "0", "--env", "qa", answers=(("your word", "PR 41, by two"),)
    )
    assert code == 0
    assert "attested by ann" in screen
    assert "attested word: PR 41, by two" in place.type("history", "--env", "qa").out


@pytest.mark.parametrize(
    ("env", "question", "answer", "code", "serves"),
    [
        ("qa", "Go on? [y/N]", "y", 0, "b"),
        ("qa", "Go on? [y/N]", "", ExitCode.REFUSED, "a"),
        ("production", "Type its name to go on:", "production", 0, "b"),
        ("production", "Type its name to go on:", "y", ExitCode.REFUSED, "a"),
    ],
)
def test_on_a_terminal_a_change_is_asked_for(
    place: Place, env: str, question: str, answer: str, code: int, serves: str
) -> None:
    place.pass_stage_0(env)
    ended, screen = on_a_terminal(place, "stage", "1", "--env", env, answers=((question, answer),))
    assert (ended, place.serves) == (code, serves)
    assert "serves: a -> b" in screen


def test_log_text_on_a_terminal_is_never_read_as_markup(place: Place) -> None:
    place.pass_stage_0()
    code, screen = on_a_terminal(place, "stage", "1", "--env", "qa", "--yes")
    assert code == 0
    assert "[/red] turning" in screen


def run_main(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "emonk_ops", *argv],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("argv", [("--help",), ("--version",), ("stage", "--help")])
def test_help_and_version_import_nothing_heavy(argv: tuple[str, ...]) -> None:
    ended = run_main(*argv)
    assert ended.returncode == 0
    for heavy in (
        "google",
        "grpc",
        "httpx",
        "cronsim",
        "emonk_ops.tick",
        "emonk_ops.rollout.runner",
    ):
        assert f" {heavy}\n" not in ended.stderr, heavy


def test_completion_imports_nothing_heavy_and_completes() -> None:
    environ = {
        **os.environ,
        "_EMONK_OPS_COMPLETE": "complete_bash",
        "COMP_WORDS": "emonk-ops stag",
        "COMP_CWORD": "1",
    }
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "emonk_ops"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environ,
        check=False,
    )
    assert "stage" in ended.stdout
    assert " google" not in ended.stderr
    assert " grpc\n" not in ended.stderr


def test_a_stream_without_unicode_gets_escapes_and_no_traceback(place: Place) -> None:
    def type_into_ascii(*argv: str) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
        words = place.command(*argv)
        return subprocess.run(
            words, cwd=place.folder, env=environ, capture_output=True, text=True, timeout=PATIENCE
        )

    screen = type_into_ascii("stage", "1", "--env", "qa", "--plan")
    assert screen.returncode == 0, screen.stderr
    assert "\\u2705 Agent Core created" in screen.stdout
    answer = type_into_ascii("stage", "1", "--env", "qa", "--plan", "--json")
    guide = json.loads(answer.stdout)["data"]["plan"]["guide"]
    assert "✅ Agent Core created" in [one["line"] for one in guide]


def test_what_an_encoding_lacks_is_still_json() -> None:
    text = '{"said": "é… 😀"}'
    assert in_encoding(text, "utf-8") == in_encoding(text, None) == text
    assert in_encoding(text, "latin-1").startswith('{"said": "é\\u2026')
    assert json.loads(in_encoding(text, "ascii")) == json.loads(text)

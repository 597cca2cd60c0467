"""`emonk-ops cleanup` on real git work trees."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.errors import ExitCode
from emonk_ops.operations.legacy_source.repository_tree import BRANCH
from tests.cleanup.samples import CLEAN, OWN, write

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
SETTINGS = """\
[env.production]
target = "sandbox"
project = "shop-prod"
cadence = "*/2 * * * *"
[service]
name = "shop"
[commands]
unit_tests = ["python", "-m", "pytest", "-c", "/dev/null", "--rootdir", ".", "tests", "-q"]
integration_tests = []
"""
HERE = {"tests/__init__.py": "", "emonk-ops.toml": SETTINGS}
NO_LOOP_TEST = {name: text for name, text in OWN.items() if name != "tests/test_loop.py"}


def git(folder: Path, *words: str) -> str:
    names = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "core.autocrlf=false")
    done = subprocess.run(
        ["git", *names, *words], cwd=folder, capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str]) -> Path:
    write(folder, files)
    git(folder, "init", "-q", "-b", "trunk")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "begin")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path / "service", {**NO_LOOP_TEST, **HERE})


def cleanup(source: Path, *words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(build(), ["cleanup", "--source", str(source), *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def envelope(source: Path, *words: str) -> dict[str, Any]:
    _, out, _ = cleanup(source, "--json", *words)
    document: dict[str, Any] = json.loads(out)
    return document


def state(folder: Path) -> tuple[str, str, str]:
    """(branch, branches, what is changed) of the tree."""
    return (
        git(folder, "symbolic-ref", "--short", "HEAD"),
        git(folder, "branch", "--format=%(refname:short)"),
        git(folder, "status", "--porcelain", "-uall"),
    )


UNTOUCHED = ("trunk", "trunk", "")


def test_a_plan_shows_the_patch_and_changes_nothing(tree: Path) -> None:
    code, out, _ = cleanup(tree)
    assert code == 0
    assert "agent/scheduler.py:28: async def start(self):" in out
    assert "-    async def _check_and_execute_jobs(self):" in out
    assert "of the service `shop`" in out
    assert "`*/2 * * * *`" in out
    assert f"next: emonk-ops cleanup --source {tree} --apply" in out
    assert state(tree) == UNTOUCHED


def test_apply_writes_on_a_branch_and_runs_the_tests(tree: Path) -> None:
    code, out, _ = cleanup(tree, "--apply")
    assert code == 0, out
    assert "unit_tests: 2 tests, 0 failed" in out
    branch, _, changed = state(tree)
    assert branch == BRANCH
    assert changed.split() == [
        "M", "README.md", "M", "agent/core.py", "M", "agent/main.py", "M", "agent/scheduler.py",
    ]  # fmt: skip
    git(tree, "commit", "-q", "-a", "-m", "clean")
    code, out, _ = cleanup(tree, "--apply")
    assert (code, "already so" in out) == (0, True)
    git(tree, "switch", "-q", "trunk")
    code, _, err = cleanup(tree, "--apply")
    assert code == ExitCode.REFUSED
    assert f"git switch {BRANCH}" in err


def test_failing_tests_put_everything_back(tree: Path) -> None:
    broken = tree / "tests/test_more.py"
    broken.write_text(
        "import pathlib\n\ndef test_source():\n"
        "    assert 'def start(' in pathlib.Path('agent/scheduler.py').read_text()\n"
    )
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "needs the loop")
    code, out, _ = cleanup(tree, "--apply")
    assert code == ExitCode.CHECK_FAILED
    assert "everything was put back" in out
    assert state(tree) == UNTOUCHED
    document = envelope(tree, "--apply")
    assert document["exit_code"] == ExitCode.CHECK_FAILED
    assert document["data"]["applied"] is False
    assert document["data"]["tests"][0]["verdict"] == "FAIL"
    assert state(tree) == UNTOUCHED


def test_no_test_that_ran_is_no_pass(tree: Path) -> None:
    settings = SETTINGS.replace('"tests", "-q"', '"tests", "-q", "-k", "nothing"')
    (tree / "emonk-ops.toml").write_text(settings)
    git(tree, "commit", "-q", "-a", "-m", "none")
    code, out, _ = cleanup(tree, "--apply")
    assert code == ExitCode.CHECK_FAILED
    assert "put back" in out
    assert state(tree) == UNTOUCHED


def test_a_signal_while_the_tests_run_puts_everything_back(tree: Path) -> None:
    started = tree.parent / "started"
    slow = f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    (tree / "emonk-ops.toml").write_text(
        SETTINGS.replace(SETTINGS.splitlines()[7], f"unit_tests = ['python', '-c', {slow!r}]")
    )
    git(tree, "commit", "-q", "-a", "-m", "slow")
    process = subprocess.Popen(
        [sys.executable, "-m", "emonk_ops", "cleanup", "--source", str(tree), "--apply"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    until = time.monotonic() + 30
    while not started.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    assert state(tree)[0] == BRANCH
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert state(tree) == UNTOUCHED


def test_refusals_name_the_next_command(tmp_path: Path) -> None:
    bare = write(tmp_path / "bare", NO_LOOP_TEST)
    code, _, err = cleanup(bare, "--apply")
    assert (code, "no git repository" in err, "git init" in err) == (ExitCode.REFUSED, True, True)

    dirty = repository(tmp_path / "dirty", NO_LOOP_TEST)
    (dirty / "new.txt").write_text("mine")
    code, _, err = cleanup(dirty, "--apply")
    assert (code, "new.txt" in err, "git stash -u" in err) == (ExitCode.REFUSED, True, True)
    (dirty / "new.txt").unlink()
    git(dirty, "switch", "-q", "--detach")
    code, _, err = cleanup(dirty, "--apply")
    assert (code, "detached HEAD" in err, "git switch" in err) == (ExitCode.REFUSED, True, True)

    code, _, err = cleanup(tmp_path / "nowhere")
    assert (code, "is no folder" in err) == (ExitCode.USAGE, True)


def test_a_service_in_the_way_is_refused_as_a_whole(tmp_path: Path) -> None:
    tree = repository(tmp_path, OWN)
    code, out, err = cleanup(tree, "--apply")
    assert code == ExitCode.REFUSED
    assert "tests/test_loop.py:9: loop.start" in out
    assert "--tests remove" in err
    assert state(tree) == UNTOUCHED
    document = envelope(tree)
    assert document["exit_code"] == ExitCode.REFUSED
    assert {one["line"] for one in document["data"]["test_refusals"]} == {9, 10, 11}
    assert cleanup(tree, "--apply", "--tests", "remove")[0] == 0
    assert not (tree / "tests/test_loop.py").exists()


def test_commands_of_settings_elsewhere_run_where_the_patch_is(tmp_path: Path) -> None:
    write(tmp_path, {"emonk-ops.toml": SETTINGS})
    tree = repository(tmp_path / "service", NO_LOOP_TEST)
    code, out, err = cleanup(tree, "--apply")
    assert (code, "unit_tests: 2 tests, 0 failed" in out) == (0, True), err
    assert state(tree)[0] == BRANCH


def test_a_clean_service_is_already_so(tmp_path: Path) -> None:
    tree = repository(tmp_path, CLEAN)
    assert cleanup(tree, "--apply")[0] == 0
    git(tree, "add", "-A")
    git(tree, "commit", "-q", "-m", "readme")
    document = envelope(tree)
    assert (document["exit_code"], document["data"]["files"]) == (0, [])

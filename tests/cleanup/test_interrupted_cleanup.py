"""A clean-up that is killed with -9, and what the next one makes of what it left."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from emonk_ops.errors import ExitCode
from emonk_ops.operations.legacy_source.repository_tree import BRANCH
from emonk_ops.operations.legacy_source.unfinished import NOTE
from tests.chaos.rehearsed import CRASHING, SIGKILLED
from tests.cleanup.test_cleanup_command import (
    HERE,
    NO_LOOP_TEST,
    cleanup,
    git,
    repository,
    state,
)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ALL = os.environ.get("EMONK_CRASH_POINTS") == "all"
EVENTS = re.compile(r"^(local|running) events: (\d+)$", re.MULTILINE)
IGNORED = {".gitignore": "deploy.sh\n", "deploy.sh": "export SCHEDULER_LEGACY_LOOP=true\n"}
FILES = {**NO_LOOP_TEST, **HERE, **IGNORED}
CHANGED = ["README.md", "agent/core.py", "agent/main.py", "agent/scheduler.py"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return repository(tmp_path / "agent", FILES)


def typed(tree: Path, point: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(CRASHING), point, "cleanup", "--source", "agent", "--apply"],
        cwd=tree.parent, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stderr


@pytest.fixture(scope="module")
def killed_half_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = repository(tmp_path_factory.mktemp("half") / "agent", FILES)
    git(tree, "branch", "other")
    code, err = typed(tree, "@renaming to agent/agent/main.py")
    assert code == SIGKILLED, err
    return tree


@pytest.fixture
def half(tmp_path: Path, killed_half_way: Path) -> Path:
    """README.md and agent/core.py are written, agent/main.py and the rest not yet."""
    tree = tmp_path / "agent"
    shutil.copytree(killed_half_way, tree)
    assert state(tree)[2].split()[:4] == ["M", "README.md", "M", "agent/core.py"]
    return tree


def assert_whole(tree: Path, why: str = "") -> None:
    branch, _, changed = state(tree)
    assert branch == BRANCH, why
    assert changed.split()[1::2] == CHANGED, f"{why}: {changed}"
    assert "LEGACY" not in (tree / "deploy.sh").read_text(), why
    assert not (tree / ".git" / NOTE).exists(), why
    assert not list(tree.rglob(".emonk-ops-cleanup-*")), why
    assert cleanup(tree)[1].startswith("already so"), why


def points(tree: Path) -> list[str]:
    """All, counted on a copy; else two, before the branch is made and when all is done but said."""
    if not ALL:
        return ["@git switch", "@removing"]
    copy = tree.parent / "counted" / "agent"
    shutil.copytree(tree, copy)
    code, err = typed(copy, "0")
    assert code == 0, err
    found = {kind: int(count) for kind, count in EVENTS.findall(err)}
    return [f"{kind}:{one}" for kind in found for one in range(1, found[kind] + 1)]


@pytest.mark.timeout(900)
def test_killed_anywhere_and_typed_again_it_is_whole(tree: Path) -> None:
    """The tests run while it is killed, too. deploy.sh is one that git ignores."""
    kept, killed = tree.parent / "kept", 0
    shutil.copytree(tree, kept)
    wanted = points(tree)
    for point in wanted:
        code, err = typed(tree, point)
        killed += code == SIGKILLED
        code, told = typed(tree, "0")
        why = f"{point} ({err.strip().splitlines()[-1]}): {told}"
        assert code == 0, why
        assert_whole(tree, why)
        shutil.rmtree(tree)
        shutil.copytree(kept, tree)
    assert killed >= 0.8 * len(wanted)


def test_once_more_after_it_is_done_is_already_so(tree: Path) -> None:
    assert cleanup(tree, "--apply")[0] == 0
    code, out, _ = cleanup(tree, "--apply")
    assert (code, "already so" in out) == (0, True)
    assert_whole(tree)


def test_only_looked_at_it_says_that_it_is_half_done(half: Path) -> None:
    before = state(half)
    code, _, err = cleanup(half)
    assert (code, "interrupted" in err) == (ExitCode.REFUSED, True)
    assert f"next: emonk-ops cleanup --source {half} --apply puts it back" in err
    assert state(half) == before


def test_what_somebody_changed_since_is_named_and_left(half: Path) -> None:
    path = half / "agent/core.py"
    path.write_text("MINE = 1\n")
    before = state(half)
    code, _, err = cleanup(half, "--apply")
    assert (code, "changed agent/core.py" in err) == (ExitCode.REFUSED, True)
    assert "README.md" not in err
    assert (state(half), path.read_text()) == (before, "MINE = 1\n")
    git(half, "restore", "agent/core.py")
    code, out, _ = cleanup(half, "--apply")
    assert (code, "put back" in out, "on trunk again" in out) == (0, True, True)
    assert_whole(half)


def test_on_another_branch_nothing_is_put_back(half: Path) -> None:
    git(half, "switch", "-q", "other")
    before = state(half)
    code, _, err = cleanup(half, "--apply")
    assert (code, "git switch trunk" in err) == (ExitCode.REFUSED, True)
    assert state(half) == before


def test_put_back_by_hand_it_is_forgotten(half: Path) -> None:
    git(half, "reset", "-q", "--hard")
    git(half, "clean", "-q", "-f")
    git(half, "switch", "-q", "other")
    git(half, "branch", "-q", "-D", BRANCH)
    assert cleanup(half, "--apply")[0] == 0
    assert_whole(half)


def test_what_a_person_committed_of_it_is_theirs(half: Path) -> None:
    git(half, "add", "--all")
    git(half, "commit", "-q", "-m", "mine")
    code, out, err = cleanup(half, "--apply")
    assert (code, "left to them" in out) == (ExitCode.REFUSED, True), err
    assert f"git switch {BRANCH}" in err
    assert state(half)[2] == ""
    assert git(half, "log", "-1", "--format=%s") == "mine"


def test_tests_that_fail_the_second_time_put_everything_back(half: Path) -> None:
    path = half / "emonk-ops.toml"
    settings = path.read_text()
    elsewhere = half.parent / "settings.toml"
    elsewhere.write_text(settings.replace('"tests", "-q"', '"tests", "-q", "-k", "nothing"'))
    words = ("cleanup", "--source", "agent", "--apply", "--config", str(elsewhere))
    done = subprocess.run(
        [sys.executable, "-m", "emonk_ops", *words],
        cwd=half.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == ExitCode.CHECK_FAILED, done.stderr
    assert state(half) == ("trunk", "other\ntrunk", "")
    assert (half / "deploy.sh").read_text() == IGNORED["deploy.sh"]


def test_a_note_that_cannot_be_read_is_named(half: Path) -> None:
    (half / ".git" / NOTE).write_text("{")
    before = state(half)
    code, _, err = cleanup(half, "--apply")
    assert (code, NOTE in err) == (ExitCode.REFUSED, True), err
    assert state(half) == before

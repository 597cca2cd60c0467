"""The service's own source beside a sandbox: a repository, and an image built from it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from emonk_ops.operations.clean_service import legacy_traces
from emonk_ops.operations.legacy_source.patching import references
from emonk_ops.operations.legacy_source.repository_tree import BRANCH
from emonk_ops.operations.legacy_source.unfinished import NOTE
from emonk_ops.operations.legacy_source.whole_files import BESIDE
from emonk_ops.rehearsal.story import CLEAN_COMMAND, CLEAN_IMAGE, COMMIT

from .rehearsed import Rehearsed

FOLDER = "agent"
CLEAN, BEGUN = "clean", "begun"


@dataclass(frozen=True)
class Tree:
    """What git says of it."""

    branch: str
    changed: tuple[str, ...]


class ServiceSource:
    """Brought back as often as it is spoiled; `keep` and `back` name the copies."""

    def __init__(self, world: Rehearsed) -> None:
        self._world = world
        self._folder = world.folder / FOLDER
        world.must("init", "--service-source", FOLDER)
        subprocess.run(["sh", "-c", COMMIT], cwd=world.folder, check=True, timeout=30)
        world.must("sandbox", "image", "add", CLEAN_IMAGE, "--", *CLEAN_COMMAND)
        self.keep(BEGUN)

    def keep(self, name: str) -> None:
        shutil.copytree(self._folder, self._kept(name), symlinks=True)

    def back(self, name: str) -> None:
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept(name), self._folder, symlinks=True)

    def _kept(self, name: str) -> Path:
        return self._folder.with_name(f".{FOLDER}-{name}")

    def look(self) -> Tree:
        status = self._git("status", "--porcelain", "--untracked-files=all")
        return Tree(self._git("branch", "--show-current").strip(), tuple(status.splitlines()))

    def _git(self, *words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=self._folder,
            check=True,
            timeout=30,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def assert_clean(self, why: str) -> None:
        """It is on its branch, whole; and so is what runs."""
        assert self.look().branch == BRANCH, why
        assert self.look().changed, why
        assert references(self._folder) == [], why
        assert not (self._folder / ".git" / NOTE).exists(), why
        assert not list(self._folder.rglob(f"{BESIDE}*")), why
        traces = legacy_traces(self._world.tools)
        assert traces.clean, f"{why}: {traces.sentence()}"

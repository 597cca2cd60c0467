"""Writes a patch on a branch of its own, runs the service's tests, and puts it back if they fail.

The change is left uncommitted: a person reads it first, and the commit has that person's name,
hooks and signature.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from emonk_ops.errors import OpsError, Refused
from emonk_ops.operations.legacy_source.model import FileChange, Patch
from emonk_ops.operations.legacy_source.repository_tree import BRANCH, WorkTree
from emonk_ops.rollout.model import Finding, Verdict

GOOD = (Verdict.PASS, Verdict.ASK)  # ASK: no command is configured


@dataclass(frozen=True)
class Trial:
    """One of the service's test commands: its setting, and a function that runs it."""

    setting: str
    run: Callable[[], Finding]


@dataclass(frozen=True)
class Applied:
    """What was done. `kept` is False when everything was put back because a trial failed."""

    branch: str
    files: tuple[str, ...]
    trials: tuple[tuple[str, Finding], ...]
    kept: bool


def apply(
    patch: Patch,
    source: Path,
    tree: WorkTree,
    trials: Sequence[Trial],
    *,
    say: Callable[[str], None] = lambda _line: None,
    shield: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Applied:
    """Apply `patch`. Raises Refused before anything is touched; whatever fails is put back.

    Within `shield` a request to stop waits: a tree is never left half written.
    """
    branch = tree.ready()
    if patch.refused:
        raise Refused("the patch has refusals", hint="emonk-ops cleanup --source DIR --plan")
    if patch.empty:
        return Applied("", (), (), kept=True)
    tree.require_new_branch()
    findings: list[tuple[str, Finding]] = []
    try:
        with shield():
            tree.branch_off()
            for change in patch.files:
                _write(source / change.file, change.after)
        for trial in trials:
            say(f"... {trial.setting}")
            findings.append((trial.setting, trial.run()))
    except BaseException:
        with shield():
            _put_back(patch.files, source, tree, branch)
        raise
    kept = all(finding.verdict in GOOD for _, finding in findings)
    if not kept:
        with shield():
            _put_back(patch.files, source, tree, branch)
    return Applied(BRANCH, tuple(one.file for one in patch.files), tuple(findings), kept)


def _put_back(changes: Sequence[FileChange], source: Path, tree: WorkTree, branch: str) -> None:
    for change in changes:
        _write(source / change.file, change.before)
    tree.go_back(branch)


def _write(path: Path, content: bytes | None) -> None:
    """The whole content or none of it; None removes the file. The file's mode is kept."""
    if content is None:
        path.unlink(missing_ok=True)
        return
    try:
        mode = path.stat().st_mode & 0o7777 if path.exists() else 0o644
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".emonk-ops-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except OSError as error:
        raise OpsError(
            f"{path} cannot be written: {error.strerror}", hint="Check the folder's permissions"
        ) from error

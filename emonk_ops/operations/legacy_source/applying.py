"""Writes a patch on a branch of its own, runs the service's tests, and puts it back if they fail.

The change is left uncommitted: a person reads it first, and the commit has that person's name,
hooks and signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from emonk_ops.errors import Refused
from emonk_ops.operations.legacy_source import unfinished, whole_files
from emonk_ops.operations.legacy_source.model import Patch
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

    Within `shield` a request to stop waits: a tree is never left half written. What a kill leaves
    is noted in the git folder (`unfinished`), for the next clean-up to put back.
    """
    if patch.refused:
        raise Refused("the patch has refusals", hint="emonk-ops cleanup --source DIR --plan")
    if patch.empty:
        return Applied("", (), (), kept=True)
    branch = tree.ready()
    with unfinished.alone(tree):
        tree.require_new_branch()
        begun = unfinished.begin(tree, source, patch.files, branch)
        findings = _tried(patch, source, tree, trials, begun, say, shield)
        kept = all(finding.verdict in GOOD for _, finding in findings)
        with shield():
            if not kept:
                begun.put_back(tree)
            unfinished.end(tree)
    return Applied(BRANCH, tuple(one.file for one in patch.files), tuple(findings), kept)


def _tried(
    patch: Patch,
    source: Path,
    tree: WorkTree,
    trials: Sequence[Trial],
    begun: unfinished.Begun,
    say: Callable[[str], None],
    shield: Callable[[], AbstractContextManager[None]],
) -> list[tuple[str, Finding]]:
    findings: list[tuple[str, Finding]] = []
    try:
        with shield():
            tree.branch_off()
            for change in patch.files:
                whole_files.write(source / change.file, change.after)
        for trial in trials:
            say(f"... {trial.setting}")
            findings.append((trial.setting, trial.run()))
    except BaseException:
        with shield():
            begun.put_back(tree)
            unfinished.end(tree)
        raise
    return findings

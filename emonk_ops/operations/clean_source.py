"""The service's own source without the legacy path: patched on a branch, tested, looked through."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from emonk_ops.errors import Refused, StepFailed
from emonk_ops.operations.legacy_source import applying, trials, unfinished
from emonk_ops.operations.legacy_source.model import Options, Patch
from emonk_ops.operations.legacy_source.patching import make_patch, references
from emonk_ops.operations.legacy_source.repository_tree import BRANCH, WorkTree
from emonk_ops.ports import Commands
from emonk_ops.rollout.model import Finding, StepResult, Verdict
from emonk_ops.settings import CommandSettings
from emonk_ops.toolbox import Toolbox

GIT_SECONDS = 60.0
PLACES_SHOWN = 5


@dataclass(frozen=True)
class Source:
    """The folder of a service's source, and how it is cleaned up.

    `commands_in` gives a way to run commands there; within `shield` a request to stop waits.
    """

    folder: Path
    commands_in: Callable[[CommandSettings], Commands]
    options: Options = field(default_factory=Options)
    shield: Callable[[], AbstractContextManager[None]] = nullcontext

    def patch(self) -> Patch:
        """Raises Refused where an earlier clean-up was cut off: what is there now is half of it."""
        tree = self._tree()
        if tree is not None and unfinished.load(tree) is not None:
            raise Refused(
                f"a clean-up of {self.folder} was interrupted, and left it half done",
                hint=f"emonk-ops cleanup --source {self.folder} --apply puts it back and begins "
                "anew",
            )
        return make_patch(self.folder, self.options)

    def mend(self, say: Callable[[str], None]) -> None:
        """Put back what a clean-up that was cut off left. Raises Refused and StateDamaged."""
        tree = self._tree()
        if tree is None:
            return
        with unfinished.alone(tree), self.shield():
            begun = unfinished.load(tree)
            undone = begun is not None and unfinished.put_back(tree, begun)
        if begun is None:
            return
        if undone:
            say(f"an interrupted clean-up was put back: {self.folder} is on {begun.branch} again")
        else:
            say(f"an interrupted clean-up has commits of its own on {BRANCH} now: left to them")

    def _tree(self) -> WorkTree | None:
        """None where there is no git, or no repository of it."""
        if shutil.which("git") is None or not self.folder.is_dir():
            return None
        tree = WorkTree(self._git(), self.folder)
        return tree if tree.is_repository() else None

    def _git(self) -> Commands:
        return self.commands_in(CommandSettings(directory=self.folder, timeout_seconds=GIT_SECONDS))

    def apply(
        self, patch: Patch, settings: CommandSettings | None, say: Callable[[str], None]
    ) -> applying.Applied:
        """On a new branch; the service's tests, where settings name them, decide whether it stays.

        Raises Refused.
        """
        tree = WorkTree(self._git(), self.folder)
        tests = trials.of(settings, self.commands_in, tree, self.folder) if settings else ()
        return applying.apply(patch, self.folder, tree, tests, say=say, shield=self.shield)

    def ensure_clean(self, tools: Toolbox) -> StepResult:
        self.mend(tools.say)
        patch = self.patch()
        if patch.refused:
            raise StepFailed(
                f"{self.folder} cannot be cleaned up: {_few(patch)}",
                hint=f"emonk-ops cleanup --source {self.folder} --plan names each place",
            )
        if patch.empty:
            return StepResult(False, f"already so: {self.folder} has no legacy path")
        done = self.apply(patch, tools.env.commands, tools.say)
        facts = {"branch": done.branch, "files": list(done.files), "tests": _told(done)}
        if not done.kept:
            raise StepFailed(
                f"the service's tests do not pass without the legacy path, and {self.folder} is as "
                f"it was: {'; '.join(_told(done))}",
                hint=f"emonk-ops cleanup --source {self.folder} --plan shows the patch",
            )
        told = f"{len(done.files)} files on {done.branch}, not committed; {'; '.join(_told(done))}"
        return StepResult(True, told, facts)

    def preview(self, _tools: Toolbox) -> StepResult:
        patch = self.patch()
        if patch.refused:
            raise Refused(f"{self.folder} cannot be cleaned up: {_few(patch)}")
        if patch.empty:
            return StepResult(False, f"already so: {self.folder} has no legacy path")
        files = [one.file for one in patch.files]
        return StepResult(True, f"{len(files)} files change", {"files": files})

    def nothing_refers_to_it(self, _tools: Toolbox) -> Finding:
        """The guide's "No references to removed code", asked of the source."""
        found = references(self.folder)
        facts = {"source": str(self.folder), "places": [str(one) for one in found]}
        if not found:
            return Finding(Verdict.PASS, f"none in {self.folder}", facts)
        shown = "; ".join(str(one) for one in found[:PLACES_SHOWN])
        told = f"{len(found)} places in {self.folder}: {shown}"
        return Finding(Verdict.FAIL, told, facts, f"emonk-ops cleanup --source {self.folder}")

    def documents_say_so(self, _tools: Toolbox) -> Finding:
        """README with Cloud Scheduler's section, old documents marked: nothing left to change."""
        left = [one.file for one in self.patch().files if one.file.lower().endswith(".md")]
        facts = {"source": str(self.folder), "left": left}
        if left:
            told = f"still to change: {', '.join(left)}"
            return Finding(Verdict.FAIL, told, facts, f"emonk-ops cleanup --source {self.folder}")
        return Finding(Verdict.PASS, "README and old documents speak of Cloud Scheduler", facts)


def _told(done: applying.Applied) -> list[str]:
    return [f"{name}: {one.summary}" for name, one in done.trials] or ["no tests are configured"]


def _few(patch: Patch) -> str:
    places = (*patch.refusals, *patch.test_refusals)
    return "; ".join(str(one) for one in places[:PLACES_SHOWN])

"""The git work tree that a clean-up is written into: asked, branched, put back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from emonk_ops.errors import Refused, RestoreIncomplete
from emonk_ops.ports import CommandResult, Commands

BRANCH = "emonk-ops/stage-5-cleanup"
QUIET: Mapping[str, str] = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
AGAIN = "emonk-ops cleanup --source DIR --apply"


class WorkTree:
    """One work tree. `git` runs its commands in the folder of the source, with a timeout."""

    def __init__(self, git: Commands, source: Path) -> None:
        self._git = git
        self._source = source

    def _run(self, *words: str) -> CommandResult:
        return self._git.run(("git", *words), env=QUIET)

    def ready(self) -> str:
        """The branch that is checked out. Raises Refused unless the tree is clean and on one."""
        if not self.is_repository():
            raise Refused(
                f"{self._source} is in no git repository, so nothing could be put back",
                hint=f"git init && git add -A && git commit -m begin, then {AGAIN}",
            )
        branch = self.current_branch()
        if not branch:
            raise Refused(
                f"{self._source} is on a detached HEAD", hint=f"git switch BRANCH, then {AGAIN}"
            )
        if self._run("rev-parse", "--verify", "--quiet", "HEAD").exit_code != 0:
            raise Refused(
                f"{self._source} has no commit yet",
                hint=f"git add -A && git commit -m begin, then {AGAIN}",
            )
        self._require_clean()
        return branch

    def is_repository(self) -> bool:
        return self._run("rev-parse", "--is-inside-work-tree").exit_code == 0

    def current_branch(self) -> str:
        """Empty on a detached HEAD."""
        found = self._run("symbolic-ref", "--quiet", "--short", "HEAD")
        return found.last_lines[-1].strip() if found.exit_code == 0 else ""

    def commit(self, name: str) -> str:
        """The id of the commit that a branch, or HEAD, is at."""
        return self._run("rev-parse", "--verify", name).last_lines[-1].strip()

    def git_folder(self) -> Path:
        """The folder of git's own files; of a linked work tree, its part."""
        return Path(self._run("rev-parse", "--absolute-git-dir").last_lines[-1])

    def _require_clean(self) -> None:
        status = self._run("status", "--porcelain", "--untracked-files=all")
        if status.exit_code == 0 and not status.last_lines:
            return
        changed = ", ".join(line[3:] for line in status.last_lines[:5])
        raise Refused(
            f"{self._source} has changes that are not committed: {changed}",
            hint=f"git commit or git stash -u, then {AGAIN}",
        )

    def require_new_branch(self) -> None:
        """Raises Refused where an earlier clean-up left its branch."""
        if self.has_branch():
            raise Refused(
                f"there is a branch {BRANCH} already",
                hint=f"git switch {BRANCH} to go on with it, or git branch -D {BRANCH}",
            )

    def has_branch(self) -> bool:
        found = self._run("rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}")
        return found.exit_code == 0

    def branch_off(self) -> None:
        """Make the branch and check it out. Raises Refused."""
        made = self._run("switch", "--quiet", "--create", BRANCH)
        if made.exit_code != 0:
            raise Refused(
                f"git could not make the branch {BRANCH}: {' '.join(made.last_lines)}",
                hint=f"git switch -c {BRANCH} says more",
            )

    def go_back(self, branch: str) -> None:
        """Check the branch out again and drop ours, if it was made. Raises RestoreIncomplete."""
        if not self.has_branch():
            return
        back = self._run("switch", "--quiet", branch)
        dropped = self._run("branch", "-D", BRANCH) if back.exit_code == 0 else back
        if dropped.exit_code != 0:
            raise RestoreIncomplete(
                f"the files are as they were, but {branch} could not be checked out: "
                f"{' '.join(dropped.last_lines)}",
                hint=f"git switch {branch} && git branch -D {BRANCH}",
            )

    def top(self) -> Path:
        """The folder of the whole work tree."""
        return Path(self._run("rev-parse", "--show-toplevel").last_lines[-1])

"""What a clean-up that was cut off left in a source, and how it is put back.

A note in the git folder is written before anything is touched and removed when everything is done.
It holds the files as they were: git could not bring back what it ignores, nor line ends it alters.
"""

from __future__ import annotations

import fcntl
import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from emonk_ops.errors import Refused, StateDamaged
from emonk_ops.operations.legacy_source import whole_files
from emonk_ops.operations.legacy_source.model import FileChange
from emonk_ops.operations.legacy_source.repository_tree import AGAIN, BRANCH, WorkTree

NOTE = "emonk-ops-cleanup.json"
FORMAT = "emonk-cleanup/1"


@dataclass(frozen=True)
class Written:
    """One file: its content before the clean-up, and the SHA-256 of the content after it."""

    file: str
    before: bytes | None
    after: str | None

    def is_touched(self, now: bytes | None) -> bool:
        return now != self.before

    def is_known(self, now: bytes | None) -> bool:
        return now == self.before or _sum(now) == self.after


@dataclass(frozen=True)
class Begun:
    """`commit` is where our branch began; `folder` holds the files, below the work tree's top."""

    branch: str
    commit: str
    folder: str
    files: tuple[Written, ...]

    def put_back(self, tree: WorkTree) -> None:
        """The files, and then the branch. Raises RestoreIncomplete and OpsError."""
        source = tree.top() / self.folder
        for one in self.files:
            path = source / one.file
            if one.is_touched(_content(path)):
                whole_files.write(path, one.before)
        whole_files.sweep((source / one.file).parent for one in self.files)
        tree.go_back(self.branch)


@contextmanager
def alone(tree: WorkTree) -> Iterator[None]:
    """Nobody else cleans up this work tree meanwhile, as far as git's folder is on this machine.

    Raises Refused at once; whoever is killed holds nothing any more.
    """
    folder = os.open(tree.git_folder(), os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise Refused("another clean-up of this work tree is running", hint=AGAIN) from error
    finally:
        os.close(folder)


def begin(tree: WorkTree, source: Path, changes: Sequence[FileChange], branch: str) -> Begun:
    """Note what is about to be touched. Raises OpsError."""
    begun = Begun(
        branch,
        tree.commit("HEAD"),
        str(source.resolve().relative_to(tree.top().resolve())),
        tuple(Written(one.file, one.before, _sum(one.after)) for one in changes),
    )
    text = json.dumps(_to_data(begun), indent=1).encode()
    whole_files.write(tree.git_folder() / NOTE, text, whole_files.OWNERS_FILE)
    return begun


def load(tree: WorkTree) -> Begun | None:
    """What an interrupted clean-up noted, None where there was none. Raises StateDamaged."""
    path = tree.git_folder() / NOTE
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        return _of_data(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StateDamaged(
            f"{path} says what an interrupted clean-up left, and cannot be read: {error}",
            hint=f"put the source back by hand (git switch, git restore), remove the file, {AGAIN}",
        ) from error


def end(tree: WorkTree) -> None:
    """Nothing is half done any more."""
    folder = tree.git_folder()
    (folder / NOTE).unlink(missing_ok=True)
    whole_files.sweep((folder,))


def put_back(tree: WorkTree, begun: Begun) -> bool:
    """Undo what was begun, unless a person went on with it (False).

    Raises Refused, with nothing touched, for what is neither as before nor as written then.
    """
    current, ours = tree.current_branch(), tree.has_branch()
    files = {one: _content(tree.top() / begun.folder / one.file) for one in begun.files}
    touched = [one for one, now in files.items() if one.is_touched(now)]
    taken_over = ours and tree.commit(BRANCH) != begun.commit
    if not taken_over and (ours or touched):
        _require_ours(begun, current, [one for one, now in files.items() if not one.is_known(now)])
        begun.put_back(tree)
    end(tree)
    return not taken_over


def _require_ours(begun: Begun, current: str, changed: Sequence[Written]) -> None:
    if changed:
        names = ", ".join(one.file for one in changed)
        raise Refused(
            f"a clean-up was interrupted here, and since then somebody changed {names}",
            hint=f"git stash the change, or git restore the files; then {AGAIN}",
        )
    if current not in (begun.branch, BRANCH):
        raise Refused(
            f"a clean-up of {begun.branch} was interrupted, and now "
            f"{current or 'no branch'} is checked out",
            hint=f"git switch {begun.branch}, then {AGAIN}",
        )


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _sum(content: bytes | None) -> str | None:
    return None if content is None else sha256(content).hexdigest()


def _to_data(begun: Begun) -> dict[str, Any]:
    def text(raw: bytes | None) -> str | None:
        return None if raw is None else b64encode(raw).decode()

    files = [
        {"file": one.file, "before": text(one.before), "after": one.after} for one in begun.files
    ]
    of_it = {"branch": begun.branch, "commit": begun.commit, "folder": begun.folder}
    return {"format": FORMAT, **of_it, "files": files}


def _of_data(data: dict[str, Any]) -> Begun:
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']!r}, {FORMAT} was expected")
    files = tuple(
        Written(
            one["file"],
            None if one["before"] is None else b64decode(one["before"], validate=True),
            one["after"],
        )
        for one in data["files"]
    )
    return Begun(data["branch"], data["commit"], data["folder"], files)

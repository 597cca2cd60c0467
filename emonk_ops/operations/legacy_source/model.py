"""What a clean-up of source is: places, changed files, and the patch."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from emonk_ops.settings import ServiceSettings


class JsonStorage(StrEnum):
    """What becomes of JSON storage: kept for development, or Firestore is the default."""

    keep = "keep"
    remove = "remove"


class LoopTests(StrEnum):
    """What becomes of tests that only test the removed path."""

    keep = "keep"
    remove = "remove"


@dataclass(frozen=True)
class Options:
    """How to clean up. `documents` are glob patterns; empty means: those that speak of the loop."""

    json_storage: JsonStorage = JsonStorage.keep
    tests: LoopTests = LoopTests.keep
    documents: tuple[str, ...] = ()
    service: ServiceSettings = field(default_factory=ServiceSettings)
    cadence: str = "* * * * *"


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file, and what is there."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}"


@dataclass(frozen=True)
class FileChange:
    """One file. `before=None` is a new file, `after=None` a deleted one."""

    file: str
    before: bytes | None
    after: bytes | None

    def diff(self) -> str:
        """Unified, as `git apply` takes it."""
        old = "/dev/null" if self.before is None else f"a/{self.file}"
        new = "/dev/null" if self.after is None else f"b/{self.file}"
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), old, new)
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in lines
        )


def _lines(raw: bytes | None) -> list[str]:
    """By line feeds alone: whatever else ends a line for Python is text for a patch."""
    text = (raw or b"").decode("utf-8", errors="replace")
    found = [f"{line}\n" for line in text.split("\n")]
    found[-1] = found[-1][:-1]
    return found if found[-1] else found[:-1]


@dataclass(frozen=True)
class Patch:
    """What would change. With refusals nothing of it may be applied."""

    files: tuple[FileChange, ...] = ()
    removed: tuple[Place, ...] = ()
    refusals: tuple[Place, ...] = ()
    test_refusals: tuple[Place, ...] = ()
    warnings: tuple[Place, ...] = ()
    left: tuple[Place, ...] = ()  # mentions in configuration that a person has to judge

    @property
    def empty(self) -> bool:
        return not self.files

    @property
    def refused(self) -> bool:
        return bool(self.refusals or self.test_refusals)

    def diff(self) -> str:
        return "".join(change.diff() for change in self.files)

    def to_dict(self) -> Mapping[str, object]:
        def listed(places: tuple[Place, ...]) -> list[dict[str, object]]:
            return [{"file": one.file, "line": one.line, "what": one.what} for one in places]

        return {
            "files": [
                {"file": one.file, "change": _kind(one), "diff": one.diff()} for one in self.files
            ],
            "removed": listed(self.removed),
            "refusals": listed(self.refusals),
            "test_refusals": listed(self.test_refusals),
            "warnings": listed(self.warnings),
            "left": listed(self.left),
        }


def _kind(change: FileChange) -> str:
    if change.before is None:
        return "added"
    return "deleted" if change.after is None else "changed"

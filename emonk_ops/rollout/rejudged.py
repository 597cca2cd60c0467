"""A verdict as it was recorded beside the verdict as it is reached now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emonk_ops.errors import ExitCode


@dataclass(frozen=True)
class Said:
    """`exit_code` is what a command ends with that has this verdict."""

    verdict: str
    summary: str
    exit_code: ExitCode


@dataclass(frozen=True)
class Line:
    """One verdict: as it was recorded, and as it is reached now. `recorded` is "" for a new one."""

    name: str
    recorded: str
    recorded_summary: str
    now: Said | None  # None for one that is not reached any more

    @property
    def same(self) -> bool:
        return self.now is not None and self.now.verdict == self.recorded

    @property
    def same_words(self) -> bool:
        return self.now is not None and self.now.summary == self.recorded_summary


@dataclass(frozen=True)
class Rejudged:
    """One piece of evidence. `saved` says what it is; `from`, `until` and `records` of a log's."""

    saved: Mapping[str, Any]
    lines: tuple[Line, ...]

    @property
    def same(self) -> bool:
        return all(one.same for one in self.lines)

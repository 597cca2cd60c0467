"""What a metric's filter found lately: each entry is read once, as it is written.

Alert policies look at the last minutes again every minute. Asked anew each time, the log would be
parsed, decoded and matched some ten times over.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from emonk_ops.sandbox.logging.entry_fields import nanoseconds
from emonk_ops.sandbox.logging.filter_match import compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.sandbox.logging.store import LogStore

LONGEST_NANOSECONDS = 3600 * 10**9  # what looks further back asks the log itself
Entries = list[tuple[int, int, Any]]  # (timestamp, number in the store, raw entry), in time order


@dataclass
class _Kept:
    matches: Callable[[Any], bool]
    since: int  # nothing before it is in `entries`
    number: int  # of the newest entry that was looked at
    entries: Entries = field(default_factory=list)


class RecentEntries:
    """Matches of each (project, filter) in the last hour."""

    def __init__(self, logs: LogStore) -> None:
        self._logs = logs
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._fresh: dict[str, tuple[int, int, list[tuple[int, Any]]]] = {}
        self._generation = logs.generation

    def between(self, project: str, query: str, begin: int, end: int) -> Iterable[Any] | None:
        """Raw entries with begin < timestamp <= end, in time order; None for too long a time."""
        if end - begin > LONGEST_NANOSECONDS:
            return None
        if self._logs.generation != self._generation:  # entries were deleted
            self._generation = self._logs.generation
            self._kept.clear()
            self._fresh.clear()
        kept = self._kept.get((project, query))
        if kept is None or begin < kept.since:
            kept = self._begin(project, query, begin)
        else:
            self._go_on(project, kept, end)
        first = bisect_right(kept.entries, begin, key=lambda one: one[0])
        last = bisect_right(kept.entries, end, key=lambda one: one[0])
        return [raw for _, _, raw in kept.entries[first:last]]

    def _begin(self, project: str, query: str, begin: int) -> _Kept:
        kept = _Kept(compile_filter(parse_filter(query)), begin, self._logs.newest)
        for number, raw in self._logs.since(project, begin):
            self._add(kept, number, raw)
        self._kept[project, query] = kept
        return kept

    def _go_on(self, project: str, kept: _Kept, end: int) -> None:
        newest = self._logs.newest
        if newest != kept.number:
            for number, raw in self._written(project, kept.number, newest):
                self._add(kept, number, raw)
            kept.number = newest
        oldest = end - LONGEST_NANOSECONDS
        if kept.since < oldest and kept.entries and kept.entries[0][0] <= oldest:
            del kept.entries[: bisect_right(kept.entries, oldest, key=lambda one: one[0])]
            kept.since = oldest

    def _written(self, project: str, after: int, newest: int) -> list[tuple[int, Any]]:
        """What was written since: the metrics of a project ask for the same, one by one."""
        known = self._fresh.get(project)
        if known is None or known[:2] != (after, newest):
            known = (after, newest, self._logs.written(project, after))
            self._fresh[project] = known
        return known[2]

    @staticmethod
    def _add(kept: _Kept, number: int, raw: Any) -> None:
        at = nanoseconds(raw.timestamp)
        if at > kept.since and kept.matches(raw):
            insort(kept.entries, (at, number, raw), key=lambda one: one[:2])

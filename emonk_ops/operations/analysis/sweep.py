"""A log read as it grows: a page at a look, and again where entries may have come late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.ports import LogEntry, Logs

PAGE = 1_000  # what one list call gives at most


@dataclass(frozen=True)
class Swept:
    """What one look found new. `until` is how far the log is read; `calls` what it cost."""

    entries: tuple[LogEntry, ...]
    until: datetime
    caught_up: bool
    calls: int


class Sweep:
    """Reads from `since` on. An entry is given once, however often it is read.

    A full page is gone on with at the next look; a page that is not full has reached the present,
    and the next look begins `late_seconds` before it: a request's entry bears the time of its
    start and comes at its end. Memory grows with the entries of that stretch.
    """

    def __init__(
        self, logs: Logs, query: str, *, since: datetime, late_seconds: float, page: int = PAGE
    ) -> None:
        self._logs = logs
        self._query = query
        self._since = self._at = self._until = since
        self._late = timedelta(seconds=late_seconds)
        self._page = self._limit = page
        self._known: set[tuple[datetime, str]] = set()

    def look(self, now: datetime) -> Swept:
        """One page. What the port raises leaves the sweep where it was."""
        limit = self._limit
        page = list(self._logs.entries(self._query, since=self._at, limit=limit))
        fresh = tuple(one for one in page if (one.timestamp, one.insert_id) not in self._known)
        self._known.update((one.timestamp, one.insert_id) for one in fresh)
        caught_up = len(page) < limit
        if caught_up:
            self._until, self._limit = max(self._until, now), self._page
            self._at = max(self._since, now - self._late)
        else:
            last = page[-1].timestamp
            self._until = max(self._until, last)
            # A page of one instant only: the next one has to be longer to get beyond it.
            self._limit = self._page if last > self._at else 2 * limit
            self._at = last
        oldest = min(self._at, now - self._late)
        self._known = {key for key in self._known if key[0] >= oldest}
        return Swept(fresh, self._until, caught_up, -(-limit // self._page))

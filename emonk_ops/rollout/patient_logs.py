"""Logs for a run that may take its time: a read quota slows it down and does not end it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from emonk_ops.clock import Clock, sleep
from emonk_ops.errors import QuotaExceeded
from emonk_ops.ports import LogEntry, Logs

# Reads of entries are counted by the minute (logging/quotas: 60 a minute and project).
PAUSE_SECONDS = 20.0
MOST_PAUSES = 15


class PatientLogs:
    """See `emonk_ops.ports.Logs`. Raises QuotaExceeded after five minutes without a page."""

    def __init__(self, logs: Logs, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        """Goes on behind what was given already; entries of one instant are told by their id."""
        given, pauses = 0, 0
        last: datetime | None = None
        there: set[str] = set()
        while True:
            low, high = since, until
            if last is not None:
                low, high = (since, _behind(last)) if newest_first else (last, until)
            try:
                for entry in self._logs.entries(
                    query,
                    since=low,
                    until=high,
                    newest_first=newest_first,
                    limit=None if limit is None else limit - given + len(there),
                ):
                    pauses = 0
                    if entry.timestamp == last and entry.insert_id in there:
                        continue
                    if entry.timestamp != last:
                        last, there = entry.timestamp, set()
                    there.add(entry.insert_id)
                    given += 1
                    yield entry
                    if given == limit:
                        return
                return
            except QuotaExceeded:
                pauses += 1
                if pauses > MOST_PAUSES:
                    raise
                sleep(self._clock, PAUSE_SECONDS)

    def tail(self, query: str) -> Iterator[LogEntry]:
        return self._logs.tail(query)


def _behind(moment: datetime) -> datetime:
    """The bound `until` is without; entries of the same instant are to be read again."""
    return moment + moment.resolution

"""Logs from an exported file, where Cloud Logging no longer has them. Read once, front to back."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, cast

from emonk_ops.errors import NotOffered, UsageError
from emonk_ops.operations.analysis.exported import HINT, entries_of
from emonk_ops.ports import LogEntry
from emonk_ops.toolbox import Ports

SLACK = timedelta(minutes=10)  # so far may an entry stand behind later ones
LOOKED_AT = 5_000
KEPT = timedelta(hours=1)  # of what was given is held, for who reads on a little before it


class LogFile:
    """See `emonk_ops.ports.Logs`: entries of the service in an export with the oldest first.

    The query is not looked at: whoever asks picks the lines that it knows. Who asks for days one
    after the other reads the file once; an earlier time than is held reads it from its beginning.
    """

    def __init__(self, path: Path, service: str) -> None:
        self._path = path
        self._service = service
        self._rewind()

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        """Raises UsageError for a file that is no export, or that is not in order."""
        if newest_first or limit is not None or until is None:
            raise NotOffered("a file is read for a time, the oldest entry first", hint=query)
        if self._dropped is not None and since <= self._dropped:
            self._rewind()
        if self._newest is None:
            # So many tell whether the newest come first: such a file would look like silence.
            for first in islice(self._source, LOOKED_AT):
                self._hold(first)
        while self._newest is None or self._newest < until + SLACK:
            entry = next(self._source, None)
            if entry is None:
                break
            self._hold(entry)
            self._drop(since - KEPT)
        yield from sorted(
            (one for one in self._held if since <= one.timestamp < until),
            key=lambda one: one.timestamp,
        )
        self._drop(until - KEPT)

    def tail(self, _query: str) -> Iterator[LogEntry]:
        return iter(())

    @property
    def held(self) -> int:
        """How many entries are in memory."""
        return len(self._held)

    def _rewind(self) -> None:
        self._source = entries_of(self._path)
        self._held: deque[LogEntry] = deque()
        self._newest: datetime | None = None
        self._dropped: datetime | None = None  # the newest entry that is held no longer

    def _hold(self, entry: LogEntry) -> None:
        at = entry.timestamp
        if self._newest is not None and at < self._newest - SLACK:
            raise UsageError(
                f"{self._path} is not in order: an entry of {at.isoformat()} comes behind one of "
                f"{self._newest.isoformat()}",
                hint=HINT,
            )
        self._newest = at if self._newest is None else max(self._newest, at)
        name = entry.resource.get("service_name", self._service)
        if name == self._service:
            self._held.append(entry)

    def _drop(self, before: datetime) -> None:
        while self._held and self._held[0].timestamp < before:
            at = self._held.popleft().timestamp
            self._dropped = at if self._dropped is None else max(self._dropped, at)


class _WithLogs:
    def __init__(self, ports: Ports, logs: LogFile) -> None:
        self._ports = ports
        self.logs = logs

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ports, name)


def with_logs(ports: Ports, logs: LogFile) -> Ports:
    """The same ports, save that the log is the file's."""
    return cast("Ports", _WithLogs(ports, logs))

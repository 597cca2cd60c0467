"""Log entries on SQLite, by project and time; log, timestamp and insertId are the identity."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from google.cloud.logging_v2.types import LogEntry

from emonk_ops.sandbox.logging.entry_fields import RAW_ENTRY, nanoseconds
from emonk_ops.sandbox.logging.filter_bounds import (
    EARLIEST,
    LATEST,
    Bounds,
    bounds_of,
    log_id_of,
    log_name_of,
)
from emonk_ops.sandbox.logging.filter_match import compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.sandbox.logging.subscription import Subscription

Entry: TypeAlias = Any  # a LogEntry of google.cloud.logging_v2, or its raw message
Cursor: TypeAlias = tuple[int, str, str]  # timestamp (ns), insertId, log name
PAGE_BYTES = 2 * 1024 * 1024  # a channel that is not told otherwise takes 4 MiB; one entry 256 KiB
_BATCH = 500
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS log_entries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  project TEXT NOT NULL, log_name TEXT NOT NULL, log_id TEXT NOT NULL,
  at INTEGER NOT NULL, insert_id TEXT NOT NULL, severity INTEGER NOT NULL, body BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS log_entries_order
  ON log_entries (project, at, insert_id, log_name);
"""


@dataclass(frozen=True)
class Page:
    """Raw entries in order; `cursor` is where to go on, None when nothing is left to search."""

    entries: list[Any]
    cursor: Cursor | None


class LogStore:
    """The log entries of all projects of one sandbox.

    `connection` is the world's, in autocommit mode, and gets a table of its own; `now` gives
    receive timestamps (aware UTC).
    """

    def __init__(self, connection: sqlite3.Connection, now: Callable[[], datetime]) -> None:
        self._db = connection
        self._now = now
        self._listeners: set[Subscription] = set()
        self._db.executescript(_SCHEMA)
        row = self._db.execute("SELECT coalesce(max(seq), 0) FROM log_entries").fetchone()
        self._numbered = self.newest = int(row[0])
        self.generation = 0  # grows when entries are deleted

    def write(self, entries: Iterable[Entry]) -> None:
        """Store entries at once and tell the listeners of the new ones.

        A missing timestamp and insertId are filled in, the receive timestamp always.
        The same log, timestamp and insertId again is not stored again.
        """
        self._db.execute("BEGIN")
        try:
            fresh = [entry for entry in map(self._completed, entries) if self._insert(entry)]
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
        for listener in tuple(self._listeners):
            for entry in fresh:
                listener.offer(entry)

    def _completed(self, entry: Entry) -> Any:
        raw = RAW_ENTRY()
        raw.CopyFrom(LogEntry.pb(entry) if isinstance(entry, LogEntry) else entry)
        project, log_id = project_of(raw.log_name), log_id_of(raw.log_name)
        raw.log_name = log_name_of(project, log_id)
        raw.receive_timestamp.FromDatetime(self._now())
        if not raw.HasField("timestamp"):
            raw.timestamp.CopyFrom(raw.receive_timestamp)
        if not raw.insert_id:
            self._numbered += 1
            raw.insert_id = _insert_id(self._numbered)
        return raw

    def _insert(self, raw: Any) -> bool:
        done = self._db.execute(
            "INSERT OR IGNORE INTO log_entries"
            " (project, log_name, log_id, at, insert_id, severity, body) VALUES (?,?,?,?,?,?,?)",
            (
                project_of(raw.log_name),
                raw.log_name,
                log_id_of(raw.log_name).lower(),
                _clamped(nanoseconds(raw.timestamp)),
                raw.insert_id,
                raw.severity,
                raw.SerializeToString(),
            ),
        )
        if done.rowcount == 1 and done.lastrowid:
            self.newest = done.lastrowid
        return done.rowcount == 1

    def written(self, project: str, after: int) -> list[tuple[int, Any]]:
        """(number, raw entry) of what was stored behind the number `after`, in that order."""
        rows = self._db.execute(
            # The plus keeps SQLite from the index by project, which has the whole past.
            "SELECT seq, body FROM log_entries WHERE seq > ? AND +project = ? ORDER BY seq",
            (after, project),
        )
        return [(row[0], RAW_ENTRY.FromString(row[1])) for row in rows]

    def since(self, project: str, begin: int) -> list[tuple[int, Any]]:
        """(number, raw entry) of what has a timestamp behind `begin` (nanoseconds since 1970)."""
        rows = self._db.execute(
            "SELECT seq, body FROM log_entries WHERE project = ? AND at > ?",
            (project, _clamped(begin)),
        )
        return [(row[0], RAW_ENTRY.FromString(row[1])) for row in rows]

    def subscribe(self) -> Subscription:
        """Entries written while the answer is entered as a context manager."""
        return Subscription(self._listeners)

    @property
    def listeners(self) -> int:
        """How many subscriptions are open."""
        return len(self._listeners)

    def query(
        self, projects: Sequence[str], query: str = "", *, descending: bool = False, limit: int
    ) -> list[Any]:
        """The first `limit` raw entries that match, in time order; raises FilterError."""
        tree = parse_filter(query)
        matches, bounds = compile_filter(tree), bounds_of(tree)
        found: list[Any] = []
        cursor: Cursor | None = None
        while len(found) < limit:
            batch = self._batch(projects, bounds, descending, cursor)
            found.extend(raw for _, raw in batch if matches(raw))
            if len(batch) < _BATCH:
                break
            cursor = batch[-1][0]
        return found[:limit]

    async def page(
        self,
        projects: Sequence[str],
        query: str = "",
        *,
        descending: bool = False,
        size: int,
        after: Cursor | None = None,
        scan: int = 20_000,
    ) -> Page:
        """At most `size` matches, found by looking at no more than about `scan` entries.

        A page may be short or empty and still have a cursor: the search is not finished then.
        Other work of the process goes on between batches. Raises FilterError.
        """
        tree = parse_filter(query)
        matches, bounds = compile_filter(tree), bounds_of(tree)
        found: list[Any] = []
        cursor, seen, weight = after, 0, 0
        while seen < scan:
            batch = self._batch(projects, bounds, descending, cursor)
            for place, raw in batch:
                cursor = place
                if matches(raw):
                    found.append(raw)
                    weight += raw.ByteSize()
                    if len(found) == size or weight > PAGE_BYTES:
                        return Page(found, cursor)
            seen += len(batch)
            if len(batch) < _BATCH:
                return Page(found, None)
            await asyncio.sleep(0)
        return Page(found, cursor)

    def _batch(
        self, projects: Sequence[str], bounds: Bounds, descending: bool, after: Cursor | None
    ) -> list[tuple[Cursor, Any]]:
        since, until = _clamped(bounds.since), _clamped(bounds.until)
        if after is not None:  # so that the index starts where the last batch ended
            since, until = (since, after[0]) if descending else (after[0], until)
        where = [f"project IN ({','.join('?' * len(projects))})", "at BETWEEN ? AND ?"]
        values: list[object] = [*projects, since, until]
        if bounds.severity:
            where.append("severity >= ?")
            values.append(bounds.severity)
        if bounds.log_ids is not None:
            where.append(f"log_id IN ({','.join('?' * len(bounds.log_ids))})")
            values.extend(sorted(bounds.log_ids))
        if after is not None:
            where.append(f"(at, insert_id, log_name) {'<' if descending else '>'} (?, ?, ?)")
            values.extend(after)
        way = "DESC" if descending else "ASC"
        rows = self._db.execute(
            f"SELECT at, insert_id, log_name, body FROM log_entries WHERE {' AND '.join(where)}"
            f" ORDER BY at {way}, insert_id {way}, log_name {way} LIMIT {_BATCH}",
            values,
        )
        return [((row[0], row[1], row[2]), RAW_ENTRY.FromString(row[3])) for row in rows]

    def log_names(self, projects: Sequence[str]) -> list[str]:
        """Names of all logs that hold an entry, sorted."""
        marks = ",".join("?" * len(projects))
        rows = self._db.execute(
            f"SELECT DISTINCT log_name FROM log_entries WHERE project IN ({marks})"
            " ORDER BY log_name",
            list(projects),
        )
        return [row[0] for row in rows]

    def delete_log(self, log_name: str) -> int:
        """Drop all entries of a log; answers how many there were."""
        name = log_name_of(project_of(log_name), log_id_of(log_name))
        self.generation += 1
        done = self._db.execute(
            "DELETE FROM log_entries WHERE project = ? AND log_name = ?", (project_of(name), name)
        )
        return done.rowcount

    def clear(self) -> None:
        """Forget every entry."""
        self.generation += 1
        self._db.execute("DELETE FROM log_entries")


def project_of(name: str) -> str:
    """The project in `projects/PROJECT[/…]`; raises ValueError for any other parent."""
    kind, _, rest = name.partition("/")
    if kind != "projects" or not rest:
        raise ValueError(f"{name!r} is not under projects/PROJECT")
    return rest.partition("/")[0]


def _clamped(at: int) -> int:
    return max(EARLIEST, min(LATEST, at))


def _insert_id(count: int) -> str:
    """Ids grow with `count`, so that entries of one instant keep the order they were written in."""
    digits = ""
    while count:
        count, digit = divmod(count, 36)
        digits = _ALPHABET[digit] + digits
    return "1" + digits.rjust(13, "0")

"""What survives `sandbox down`: named blobs by kind, in one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

_SCHEMA = """
create table if not exists blobs (
    kind text not null, name text not null, value blob not null, primary key (kind, name)
) without rowid;
"""


class Store:
    """One SQLite connection, used from the sandbox's event loop only.

    `connection` is public: a store with tables of its own (log entries) lives in the same file.
    Durability is that of the machine's page cache: a killed sandbox loses nothing, a machine
    that loses power may lose the last moments.
    """

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("pragma journal_mode=wal")
        self.connection.execute("pragma synchronous=off")
        self.connection.executescript(_SCHEMA)

    def put(self, kind: str, name: str, value: bytes) -> None:
        self.connection.execute(
            "insert into blobs values (?, ?, ?)"
            " on conflict (kind, name) do update set value = excluded.value",
            (kind, name, value),
        )

    def get(self, kind: str, name: str) -> bytes | None:
        row = self.connection.execute(
            "select value from blobs where kind = ? and name = ?", (kind, name)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def delete(self, kind: str, name: str) -> bool:
        """True when there was something to delete."""
        cursor = self.connection.execute(
            "delete from blobs where kind = ? and name = ?", (kind, name)
        )
        return cursor.rowcount > 0

    def list(self, kind: str, prefix: str = "") -> Iterator[tuple[str, bytes]]:
        """Names that start with `prefix`, in order, each with its value."""
        rows = self.connection.execute(
            "select name, value from blobs where kind = ? and name >= ? order by name",
            (kind, prefix),
        ).fetchall()
        for name, value in rows:
            if not name.startswith(prefix):
                return
            yield str(name), bytes(value)

    def clear(self) -> None:
        """Forget every blob (`sandbox reset`); tables of others are theirs to empty."""
        self.connection.execute("delete from blobs")

    def close(self) -> None:
        self.connection.close()

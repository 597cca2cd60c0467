"""Documents in the sandbox's SQLite file: what a commit answered is there when it is killed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from google.cloud.firestore_v1.types import document

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.names import DatabaseName
from emonk_ops.sandbox.firestore.stamps import moment_of

Document = document.Document.pb()
_SCHEMA = """
CREATE TABLE IF NOT EXISTS firestore_documents (
  database TEXT NOT NULL, path TEXT NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (database, path)) WITHOUT ROWID;
"""
_PUT = (
    "INSERT INTO firestore_documents VALUES (?, ?, ?)"
    " ON CONFLICT (database, path) DO UPDATE SET body = excluded.body"
)
_DROP = "DELETE FROM firestore_documents WHERE database = ? AND path = ?"


class Disk:
    """A table of the world's connection, which is in autocommit mode."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._db.executescript(_SCHEMA)

    def documents(self, name: DatabaseName) -> Iterator[Stored]:
        """All documents of a database."""
        rows = self._db.execute(
            "SELECT path, body FROM firestore_documents WHERE database = ?", (name.name,)
        )
        for path, body in rows:
            message = Document.FromString(body)
            created, updated = moment_of(message.create_time), moment_of(message.update_time)
            yield Stored(path, message, created, updated)

    def databases(self) -> list[str]:
        """Names of the databases that hold a document."""
        rows = self._db.execute("SELECT DISTINCT database FROM firestore_documents")
        return [row[0] for row in rows]

    def keep(self, name: DatabaseName, changes: Sequence[tuple[str, Stored | None, int]]) -> None:
        """Write all changes in one transaction; a later one of a path wins."""
        database = name.name
        last = {path: stored for path, stored, _ in changes}
        puts = [
            (database, path, stored.message.SerializeToString())
            for path, stored in last.items()
            if stored is not None
        ]
        drops = [(database, path) for path, stored in last.items() if stored is None]
        self._db.execute("BEGIN")
        try:
            if puts:
                self._db.executemany(_PUT, puts)
            if drops:
                self._db.executemany(_DROP, drops)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def clear(self) -> None:
        """Forget every document."""
        self._db.execute("DELETE FROM firestore_documents")

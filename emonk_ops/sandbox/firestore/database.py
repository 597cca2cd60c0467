"""One database: its collections, past versions, and the way of every change into the file."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from emonk_ops.sandbox.firestore.collection import Collection, Stored
from emonk_ops.sandbox.firestore.disk import Disk
from emonk_ops.sandbox.firestore.names import DatabaseName
from emonk_ops.sandbox.firestore.ordering import id_key
from emonk_ops.sandbox.firestore.stamps import CommitClock

KEPT_MICROSECONDS = 3_600_000_000
"""Reads of the past go back an hour, as in a database without point-in-time recovery."""


class Database:
    """`clock` is its own: commits of one database are in one order."""

    def __init__(self, name: DatabaseName, disk: Disk, clock: CommitClock) -> None:
        self.name = name
        self.clock = clock
        self.collections: dict[str, Collection] = {}
        self.by_id: dict[str, set[str]] = {}
        self.changed_at = 0
        self._disk = disk
        self._waiting: set[asyncio.Event] = set()
        self._replaced: deque[tuple[int, str]] = deque()
        for stored in disk.documents(name):
            collection, identity = self._place(stored.path)
            collection.replace(identity, stored, None)
            clock.seen(stored.updated)
            self.changed_at = max(self.changed_at, stored.updated)

    def get(self, path: str, at: int | None = None) -> Stored | None:
        """The document at a path, now or at a past moment."""
        parent, identity = _split(path)
        collection = self.collections.get(parent)
        if collection is None:
            return None
        if at is None or at >= self.changed_at:
            return collection.documents.get(identity)
        return collection.at(identity, at)

    def holds(self, path: str, at: int | None = None) -> bool:
        """Whether a collection has a document, now or at a past moment."""
        collection = self.collections[path]
        if at is None or at >= self.changed_at:
            return bool(collection.documents)
        return any(True for _ in collection.everything_at(at))

    def removed_at(self, path: str) -> int:
        """When a document that is not there was removed, 0 where nothing is known of it."""
        parent, identity = _split(path)
        collection = self.collections.get(parent)
        return 0 if collection is None else collection.removed_at(identity)

    def install(self, changes: Sequence[tuple[str, Stored | None, int]]) -> None:
        """Make (path, new version or None, moment) true in memory and in the file, at once."""
        self._disk.keep(self.name, changes)
        for path, stored, moment in changes:
            collection, identity = self._place(path)
            collection.replace(identity, stored, moment)
            self._replaced.append((moment, path))
            self.changed_at = max(self.changed_at, moment)
        self._forget(self.changed_at - KEPT_MICROSECONDS)
        self._wake()

    @contextmanager
    def commits(self) -> Iterator[asyncio.Event]:
        """An event that every commit sets."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)

    def under(self, parent: str, collection: str, *, descendants: bool) -> Iterator[Collection]:
        """Collections with this id ("" for any) directly below a document, or anywhere below."""
        prefix = f"{parent}/" if parent else ""
        if not descendants and collection:
            found = self.collections.get(prefix + collection)
            if found is not None:
                yield found
            return
        paths = self.by_id.get(collection, set()) if collection else self.collections.keys()
        for path in sorted(paths):
            inside = path.startswith(prefix)
            if inside and (descendants or "/" not in path[len(prefix) :]):
                yield self.collections[path]

    def clear(self) -> None:
        """Forget everything."""
        self.collections.clear()
        self.by_id.clear()
        self._replaced.clear()
        self._wake()

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    def _place(self, path: str) -> tuple[Collection, str]:
        parent, identity = _split(path)
        collection = self.collections.get(parent)
        if collection is None:
            collection = self.collections[parent] = Collection(parent)
            self.by_id.setdefault(collection.id, set()).add(parent)
        return collection, identity

    def _forget(self, until: int) -> None:
        while self._replaced and self._replaced[0][0] <= until:
            moment, path = self._replaced.popleft()
            parent, identity = _split(path)
            collection = self.collections.get(parent)
            if collection is None:
                continue
            collection.forget(identity, moment)
            if collection.empty:
                del self.collections[parent]
                self.by_id[collection.id].discard(parent)


def _split(path: str) -> tuple[str, str]:
    """The path of the collection, and what the document's id sorts by."""
    parent, _, identity = path.rpartition("/")
    return parent, id_key(identity)


def described(database: Database) -> dict[str, Any]:
    """For the status: how much is in it."""
    count = sum(len(one.documents) for one in database.collections.values())
    return {"database": database.name.name, "documents": count}

"""The documents of one collection, with sorted indexes and the versions of the last hour."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from sortedcontainers import SortedList

from emonk_ops.sandbox.firestore.field_paths import Path, value_at
from emonk_ops.sandbox.firestore.ordering import id_key, key_of, name_key

Entries: TypeAlias = "SortedList[tuple[Any, ...]]"


class Stored:
    """One version of a document; `message` (a raw Document) is never changed once stored.

    `id` is what its id sorts by (`id_key`), here as in everything that a collection keeps.
    """

    __slots__ = ("created", "id", "message", "path", "updated")

    def __init__(self, path: str, message: Any, created: int, updated: int) -> None:
        self.path = path
        self.id = id_key(path.rpartition("/")[2])
        self.message = message
        self.created = created
        self.updated = updated

    @property
    def key(self) -> tuple[str, ...]:
        """What its name sorts by."""
        return name_key(self.path)


class Index:
    """(key of the field's value, document id), sorted; only documents that have the field."""

    def __init__(self, path: Path, documents: dict[str, Stored]) -> None:
        self._path = path
        entries = []
        for stored in documents.values():
            value = value_at(stored.message.fields, path)
            if value is not None:
                entries.append((key_of(value), stored.id))
        self.entries: Entries = SortedList(entries)

    def replace(self, identity: str, old: Stored | None, new: Stored | None) -> None:
        """Take in that a document was written or removed."""
        before = None if old is None else value_at(old.message.fields, self._path)
        after = None if new is None else value_at(new.message.fields, self._path)
        if before is not None:
            key = key_of(before)
            if after is not None and key_of(after) == key:
                return
            self.entries.remove((key, identity))
        if after is not None:
            self.entries.add((key_of(after), identity))


class Collection:
    """`path` is the collection's, below the root: `jobs` or `a/b/jobs`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.id = path.rpartition("/")[2]
        self.documents: dict[str, Stored] = {}
        self.ids: SortedList[str] = SortedList()
        self._indexes: dict[Path, Index] = {}
        # Earlier versions by document, oldest first: (moment it was replaced, version or None).
        self._past: dict[str, list[tuple[int, Stored | None]]] = {}

    def index(self, path: Path) -> Entries:
        """The sorted entries of a field; built on the first use, then kept up to date."""
        index = self._indexes.get(path)
        if index is None:
            index = self._indexes[path] = Index(path, self.documents)
        return index.entries

    def replace(self, identity: str, new: Stored | None, moment: int | None) -> None:
        """Write or remove a document; `moment` is when, None while the store is being read."""
        old = self.documents.get(identity)
        if new is not None:
            self.documents[identity] = new
            if old is None:
                self.ids.add(identity)
        elif old is not None:
            del self.documents[identity]
            self.ids.remove(identity)
        if moment is not None:
            self._past.setdefault(identity, []).append((moment, old))
        for index in self._indexes.values():
            index.replace(identity, old, new)

    def at(self, identity: str, moment: int) -> Stored | None:
        """The version of a document at a past moment."""
        for replaced, version in self._past.get(identity, ()):
            if moment < replaced:
                return version
        return self.documents.get(identity)

    def removed_at(self, identity: str) -> int:
        """When a document that is not there was removed, 0 where nothing is known of it."""
        past = self._past.get(identity)
        return past[-1][0] if past else 0

    def everything_at(self, moment: int) -> Iterator[Stored]:
        """All documents of a past moment, by id."""
        for identity in sorted(self.documents.keys() | self._past.keys()):
            version = self.at(identity, moment)
            if version is not None:
                yield version

    def forget(self, identity: str, until: int) -> None:
        """Drop versions of a document that were replaced at `until` or before."""
        kept = [one for one in self._past.get(identity, ()) if one[0] > until]
        if kept:
            self._past[identity] = kept
        else:
            self._past.pop(identity, None)

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it, past versions included."""
        return not self.documents and not self._past

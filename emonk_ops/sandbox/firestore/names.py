"""Resource names: `projects/P/databases/D/documents/COLLECTION/ID/…`, checked as Google's are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from emonk_ops.sandbox.firestore.errors import Refusal, invalid
from emonk_ops.sandbox.firestore.ordering import name_key

_DATABASE = re.compile(r"projects/([^/]+)/databases/([^/]+)")
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_NUMERIC = re.compile(r"__id(0|-?[1-9]\d*)__")
MOST_BYTES = 1500


@dataclass(frozen=True, slots=True)
class DatabaseName:
    """One database; each is a world of its own."""

    project: str
    database: str

    @property
    def name(self) -> str:
        return f"projects/{self.project}/databases/{self.database}"

    @property
    def root(self) -> str:
        return f"{self.name}/documents"


@lru_cache(maxsize=1024)
def database_of(name: str) -> DatabaseName:
    """Of `projects/P/databases/D`. Raises Refusal."""
    found = _DATABASE.fullmatch(name)
    if found is None:
        raise _lacking("Database", name, ("projects", None, "databases", None))
    return DatabaseName(*found.groups())


def document_of(name: str, what: str = "Document") -> tuple[DatabaseName, str]:
    """The database, and the path below its root, of a document's name. Raises Refusal."""
    database, path = _split(name, what)
    if path is None:
        wanted = ("projects", None, "databases", None, "documents", None)
        raise _lacking(what, name, wanted)
    if path.count("/") % 2 == 0:
        raise invalid(f'{what} name "{name}" lacks "/" at index {len(name)}.')
    for part in path.split("/"):
        _check_id(part, what, name)
    return database, path


def reference_key(name: str) -> tuple[str, ...]:
    """What the name of a document in a query sorts by. Raises Refusal."""
    return name_key(document_of(name, "Resource")[1])


def parent_of(name: str) -> tuple[DatabaseName, str]:
    """The database, and the path ("" for its root), of a document or of the root itself."""
    database, path = _split(name, "Document parent")
    if path is None:
        return database, ""
    return document_of(name, "Document parent")


def check_collection_id(collection: str) -> None:
    """Raises Refusal for what cannot be the last part of a collection's name."""
    if "/" in collection:
        raise invalid(f'Collection id "{collection}" is invalid because it contains "/".')
    if _RESERVED.fullmatch(collection):
        raise invalid(f'Collection id "{collection}" is invalid because it is reserved.')


def check_document_id(document: str) -> None:
    """Raises Refusal for what cannot be the last part of a document's name."""
    if "/" in document:
        raise invalid(f'Resource id "{document}" is invalid because it contains "/".')
    _check_id(document, "Document", document)


def _split(name: str, what: str) -> tuple[DatabaseName, str | None]:
    parts = name.split("/", 5)
    wanted = ("projects", None, "databases", None, "documents")
    if len(parts) < 5 or (parts[0], parts[2], parts[4]) != ("projects", "databases", "documents"):
        raise _lacking(what, name, wanted)
    if not parts[1] or not parts[3]:
        raise _lacking(what, name, wanted)
    database = database_of(f"projects/{parts[1]}/databases/{parts[3]}")
    return database, parts[5] if len(parts) == 6 else None


def _check_id(part: str, what: str, name: str) -> None:
    if part in ("", ".", ".."):
        at = _index_of(name, part)
        raise invalid(f'{what} name "{name}" contains a resource id "{part}" at index {at}.')
    if part.startswith("__") and _RESERVED.fullmatch(part):
        _check_numeric(part)
    if len(part) > MOST_BYTES // 4 and len(part.encode()) > MOST_BYTES:
        raise invalid(f"The key path element name is longer than {MOST_BYTES} bytes.")


def _check_numeric(part: str) -> None:
    found = _NUMERIC.fullmatch(part)
    if found is None:
        raise invalid(f'Resource id "{part}" is invalid because it is reserved.')
    if not -(2**63) <= int(found[1]) < 2**63:
        raise invalid(f'Resource id "{part}" is invalid because it is not a 64 bit integer.')


def _index_of(name: str, part: str) -> int:
    at = 0
    for one in name.split("/"):
        if one == part:
            return at
        at += len(one) + 1
    return at


def _lacking(what: str, name: str, wanted: tuple[str | None, ...]) -> Refusal:
    """Name the first fixed part that is not where it should be."""
    at = 0
    parts = name.split("/")
    for number, word in enumerate(wanted):
        if number >= len(parts):
            return invalid(f'{what} name "{name}" lacks "/" at index {len(name)}.')
        if (word is not None and parts[number] != word) or not parts[number]:
            return invalid(f'{what} name "{name}" lacks "{word or "a resource id"}" at index {at}.')
        at += len(parts[number]) + 1
    return invalid(f'{what} name "{name}" has more parts than it may have at index {at}.')

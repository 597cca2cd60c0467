"""Writes: checked when they arrive, applied to a draft that becomes true as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.cloud.firestore_v1.types import write as write_types

from emonk_ops.sandbox.firestore import errors
from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.disk import Document
from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import Path, parse_path, put_at, remove_at, value_at
from emonk_ops.sandbox.firestore.names import DatabaseName, document_of
from emonk_ops.sandbox.firestore.stamps import moment_of, put_stamp
from emonk_ops.sandbox.firestore.transforms import apply_transforms, check_transforms
from emonk_ops.sandbox.firestore.values import MOST_DOCUMENT_BYTES, check_fields

WriteResult = write_types.WriteResult.pb()


@dataclass(frozen=True, slots=True)
class Change:
    """A checked Write. `document` is None for a deletion; `mask` None replaces all fields;
    `exists` and `version` (microseconds) are what must hold, None where nothing must.
    """

    path: str
    document: Any | None
    mask: tuple[Path, ...] | None
    transforms: Any
    exists: bool | None
    version: int | None


def change_of(write: Any, database: DatabaseName) -> Change:
    """Check a Write. Raises Refusal."""
    kind = write.WhichOneof("operation")
    if kind is None:
        raise invalid("empty write operation")
    document, mask, transforms = None, None, write.update_transforms
    if kind == "update":
        name, document = write.update.name, write.update
        if write.HasField("update_mask"):
            mask = tuple(parse_path(path) for path in write.update_mask.field_paths)
    elif kind == "delete":
        name = write.delete
        if write.HasField("update_mask"):
            raise invalid("a delete must not specify a document mask.")
        if transforms:
            raise invalid("a delete must not specify a update transform.")
    else:
        name, transforms, mask = write.transform.document, write.transform.field_transforms, ()
        document = Document(name=name)
        if not transforms:
            raise invalid("The list of FieldTransform must not be empty.")
    found, path = document_of(name)
    if found != database:
        raise invalid(f'Document name "{name}" is not in the database {database.name}.')
    if document is not None:
        check_fields(document.fields)
        if transforms:
            check_transforms(transforms)
    exists, version = _precondition(write.current_document)
    return Change(path, document, mask, transforms, exists, version)


def _precondition(condition: Any) -> tuple[bool | None, int | None]:
    kind = condition.WhichOneof("condition_type")
    if kind == "exists":
        return bool(condition.exists), None
    if kind == "update_time":
        return None, moment_of(condition.update_time)
    return None, None


def check_repeats(changes: list[Change]) -> None:
    """Refuse writes of one document in one commit that cannot hold one after the other."""
    seen: dict[str, tuple[str, int | None]] = {}
    for change in changes:
        kind = _kind(change)
        before = seen.get(change.path)
        if before is None:
            seen[change.path] = kind, change.version
            continue
        first, version = before
        removed = first == "delete"
        if change.exists is False and not removed:
            raise _not_after(first, kind)
        if removed and (kind == "update" or change.exists is True):
            raise _not_after(first, kind)
        if change.version is not None and change.version != version:
            raise invalid(
                "Cannot collapse mutations with different version preconditions"
                f" ({version or 0} and {change.version})."
            )
        seen[change.path] = (kind if removed or kind == "delete" else first), version


def _kind(change: Change) -> str:
    if change.document is None:
        return "delete"
    if change.exists is False:
        return "insert"
    return "upsert" if change.exists is None and change.version is None else "update"


def _not_after(first: str, second: str) -> Exception:
    return invalid(f"Cannot {first} then {second} an entity in the same request.")


class Draft:
    """What one commit makes of its documents; nothing is true before `Database.install`."""

    def __init__(self, database: Database, moment: int) -> None:
        self._database = database
        self._moment = moment
        self._fields: dict[str, Any | None] = {}
        self._made_anew: set[str] = set()
        self._results: list[tuple[str, Any]] = []

    def apply(self, change: Change) -> None:
        """Take in one write. Raises Refusal where its precondition does not hold."""
        path = change.path
        stored = self._database.get(path)
        if path in self._fields:
            held = self._fields[path]
        else:
            held = None if stored is None else stored.message
        self._check(change, held is not None, stored)
        result = WriteResult()
        if change.document is None:
            self._fields[path] = None
            self._made_anew.add(path)
        else:
            if held is None:
                self._made_anew.add(path)
            message = _written(change, held)
            if change.transforms:
                found = apply_transforms(message.fields, change.transforms, self._moment)
                result.transform_results.extend(found)
            if message.ByteSize() > MOST_DOCUMENT_BYTES:
                raise invalid(
                    f'Document "{message.name}" is larger than {MOST_DOCUMENT_BYTES} bytes.'
                )
            self._fields[path] = message
        self._results.append((path, result))

    def _check(self, change: Change, exists: bool, stored: Stored | None) -> None:
        project = self._database.name.project
        if change.exists is False and exists:
            raise errors.already_exists(project, change.path)
        if change.exists is True and not exists:
            raise errors.nothing_to_update(project, change.path)
        if change.version is None or change.path in self._fields:
            return  # a second write has the version of the first: see check_repeats
        version = self._moment if stored is not None else self._database.removed_at(change.path)
        if stored is not None and exists:
            version = stored.updated
        if change.version > version and exists:
            raise errors.newer_base(project, change.path)
        if change.version != version:
            raise errors.other_base(version, change.version)

    def finished(self) -> tuple[list[tuple[str, Stored | None, int]], list[Any]]:
        """The changes to install, and a WriteResult for each write."""
        changes: list[tuple[str, Stored | None, int]] = []
        updated: dict[str, int] = {}
        for path, message in self._fields.items():
            old = self._database.get(path)
            if message is None:
                if old is not None:
                    changes.append((path, None, self._moment))
                continue
            anew = old is None or path in self._made_anew
            new = _stamped(path, message, None if anew else old, self._moment)
            if new is not old:
                changes.append((path, new, self._moment))
            updated[path] = new.updated
        for path, result in self._results:
            if path in updated:
                put_stamp(result.update_time, updated[path])
        return changes, [result for _, result in self._results]


def _written(change: Change, held: Any | None) -> Any:
    """A new message with the fields as the write leaves them, before its transforms."""
    assert change.document is not None
    message = Document()
    if change.mask is None:
        message.CopyFrom(change.document)
        message.ClearField("create_time")
        message.ClearField("update_time")
        return message
    if held is not None:
        message.CopyFrom(held)
    else:
        message.name = change.document.name
    for path in change.mask:
        value = value_at(change.document.fields, path)
        if value is None:
            remove_at(message.fields, path)
        else:
            put_at(message.fields, path, value)
    return message


def _stamped(path: str, message: Any, old: Stored | None, moment: int) -> Stored:
    """The version to store: the old one itself where the write changed nothing."""
    created = moment if old is None else old.created
    put_stamp(message.create_time, created)
    if old is not None:
        put_stamp(message.update_time, old.updated)
        if message.ByteSize() == old.message.ByteSize() and _bytes(message) == _bytes(old.message):
            return old
    put_stamp(message.update_time, moment)
    return Stored(path, message, created, moment)


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))

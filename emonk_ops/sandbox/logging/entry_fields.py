"""Fields of a log entry by name: what a path means, and the values found under it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from google.cloud.logging_v2.types import LogEntry
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from emonk_ops.sandbox.logging.errors import FilterError

RAW_ENTRY: Any = LogEntry.pb()
_STRUCT = "google.protobuf.Struct"
_ANY = "google.protobuf.Any"
_LEAVES = {"google.protobuf.Timestamp": "timestamp", "google.protobuf.Duration": "duration"}
_NUMBERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
        FieldDescriptor.CPPTYPE_DOUBLE,
        FieldDescriptor.CPPTYPE_FLOAT,
    }
)


class Shape(Enum):
    """How the values of a field compare."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    SEVERITY = "severity"
    TIMESTAMP = "timestamp"
    DURATION = "duration"
    FREE = "free"  # whatever JSON holds; a missing one matches no comparison
    MESSAGE = "message"


@dataclass(frozen=True)
class Field:
    """A resolved path: `values` of an entry in comparable form, and whether it was `set` at all.

    Timestamps and durations are integer nanoseconds, severities their numbers.
    """

    shape: Shape
    values: Callable[[Any], list[Any]]
    is_set: Callable[[Any], bool]


def resolve_field(path: tuple[str, ...]) -> Field:
    """The field a path names; raises FilterError for one that `LogEntry` does not define."""
    return _resolve(RAW_ENTRY.DESCRIPTOR, path, path, lambda entry: [entry])


_Getter = Callable[[Any], list[Any]]


def _resolve(
    owner: Descriptor, path: tuple[str, ...], whole: tuple[str, ...], parents: _Getter
) -> Field:
    field = _field_named(owner, path[0]) if path else None
    if field is None:
        raise FilterError(f"Field not found: '{'.'.join(whole)}'")
    rest = path[1:]
    message = field.message_type
    if message is None:
        if rest:
            raise FilterError(f"Field not found: '{'.'.join(whole)}'")
        return _scalar(field, parents)
    if message.GetOptions().map_entry:
        return _map_field(field.name, rest, parents)
    if message.full_name in (_STRUCT, _ANY):
        return _free_field(field.name, rest, parents)
    if message.full_name in _LEAVES:
        if rest:
            raise FilterError(f"Field not found: '{'.'.join(whole)}'")
        return _time_field(field.name, _LEAVES[message.full_name], parents)
    children = _children(field, parents)
    if rest:
        return _resolve(message, rest, whole, children)
    return Field(Shape.MESSAGE, children, lambda entry: _any_set(parents(entry), field))


def _field_named(owner: Descriptor, name: str) -> FieldDescriptor | None:
    return owner.fields_by_name.get(name) or owner.fields_by_camelcase_name.get(name)


def _is_repeated(field: FieldDescriptor) -> bool:
    known = getattr(field, "is_repeated", None)  # protobuf before 6.31 has the label alone
    untyped: Any = field
    return bool(untyped.label == untyped.LABEL_REPEATED if known is None else known)


def _children(field: FieldDescriptor, parents: _Getter) -> _Getter:
    name = field.name
    if _is_repeated(field):
        return lambda entry: [child for p in parents(entry) for child in getattr(p, name)]
    return lambda entry: [getattr(p, name) for p in parents(entry)]


def _any_set(parents: list[Any], field: FieldDescriptor) -> bool:
    if _is_repeated(field):
        return any(len(getattr(p, field.name)) for p in parents)
    if field.message_type is not None or field.containing_oneof is not None:
        return any(p.HasField(field.name) for p in parents)
    return any(bool(getattr(p, field.name)) for p in parents)


def _scalar(field: FieldDescriptor, parents: _Getter) -> Field:
    if field.enum_type is not None:
        shape = Shape.SEVERITY
    elif field.cpp_type in _NUMBERS:
        shape = Shape.NUMBER
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        shape = Shape.FLAG
    else:
        shape = Shape.TEXT
    return Field(shape, _children(field, parents), lambda entry: _any_set(parents(entry), field))


def _time_field(name: str, kind: str, parents: _Getter) -> Field:
    def values(entry: Any) -> list[Any]:
        return [nanoseconds(getattr(p, name)) for p in parents(entry)]

    shape = Shape.TIMESTAMP if kind == "timestamp" else Shape.DURATION
    return Field(shape, values, lambda entry: any(p.HasField(name) for p in parents(entry)))


def _map_field(name: str, rest: tuple[str, ...], parents: _Getter) -> Field:
    if not rest:
        return _always_free(lambda entry: [dict(getattr(p, name)) for p in parents(entry)])
    key = ".".join(rest)

    def values(entry: Any) -> list[Any]:
        return [getattr(p, name)[key] for p in parents(entry) if key in getattr(p, name)]

    return _always_free(values)


def _free_field(name: str, rest: tuple[str, ...], parents: _Getter) -> Field:
    def values(entry: Any) -> list[Any]:
        found: list[Any] = []
        for parent in parents(entry):
            if parent.HasField(name):
                found.extend(_found_in(getattr(parent, name), rest))
        return found

    return _always_free(values)


def _always_free(values: _Getter) -> Field:
    return Field(Shape.FREE, values, lambda entry: any(v not in ({}, []) for v in values(entry)))


def _found_in(payload: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if payload.DESCRIPTOR.full_name == _ANY:
        yield from _below(json_of(payload), path)
    else:
        yield from _in_struct(payload, path)


def _in_struct(struct: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """As `_below`, on the message itself: only what the path leads to becomes JSON."""
    fields = struct.fields
    if not path:
        yield json_of(struct)
    elif path[0] in fields:
        yield from _in_value(fields[path[0]], path[1:])
    elif len(path) > 1 and (joined := ".".join(path)) in fields:
        yield from _in_value(fields[joined], ())


def _in_value(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        for item in value.list_value.values:
            yield from _in_value(item, path)
    elif kind == "struct_value":
        yield from _in_struct(value.struct_value, path)
    elif not path:
        yield None if kind in (None, "null_value") else getattr(value, kind)


def _below(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _below(item, path)
    elif not path:
        yield value
    elif isinstance(value, dict):
        if path[0] in value:
            yield from _below(value[path[0]], path[1:])
        elif len(path) > 1 and ".".join(path) in value:
            yield from _below(value[".".join(path)], ())


def json_of(message: Any) -> Any:
    """A Struct or an Any as plain JSON values; an Any of an unknown type keeps its type alone."""
    if message.DESCRIPTOR.full_name == _ANY:
        try:
            return json_format.MessageToDict(message)
        except (TypeError, json_format.Error):
            return {"@type": message.type_url}
    return {key: _plain(value) for key, value in message.fields.items()}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return json_of(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def nanoseconds(value: Any) -> int:
    """A Timestamp (since 1970) or a Duration as integer nanoseconds."""
    return int(value.seconds) * 1_000_000_000 + int(value.nanos)


def texts_of(value: Any) -> Iterator[str]:
    """Every text, number and key inside a message or JSON value, for a search without a field."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts_of(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, bool) or value is None:
        yield json.dumps(value)
    elif isinstance(value, float):
        yield number_text(value)
    elif isinstance(value, int):
        yield str(value)
    elif hasattr(value, "ListFields"):
        yield from _message_texts(value)


def _message_texts(message: Any) -> Iterator[str]:
    if message.DESCRIPTOR.full_name in (_STRUCT, _ANY):
        yield from texts_of(json_of(message))
        return
    if message.DESCRIPTOR.full_name in _LEAVES:
        with contextlib.suppress(ValueError):  # out of the range that has a written form
            yield str(message.ToJsonString())
        return
    for field, value in message.ListFields():
        if field.enum_type is not None:
            yield enum_text(field.enum_type, value)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from texts_of(dict(value))
        elif _is_repeated(field):
            yield from texts_of(list(value))
        else:
            yield from texts_of(value)


def enum_text(kind: EnumDescriptor, value: int) -> str:
    """The name of an enum's number; the number itself where the enum has no name for it."""
    known = kind.values_by_number.get(value)
    return known.name if known else str(value)


def number_text(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)

"""What a stored value may be, and the form in which it is stored."""

from __future__ import annotations

import re
from typing import Any

from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.names import MOST_BYTES, document_of
from emonk_ops.sandbox.firestore.ordering import VECTOR_MARK

MOST_TEXT_BYTES = 1_048_487
MOST_DEPTH = 20
MOST_DOCUMENT_BYTES = 1_048_576
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_799


def check_fields(fields: Any) -> None:
    """Refuse what a document cannot hold; timestamps are cut to microseconds in place."""
    for name, value in fields.items():
        if not name:
            raise invalid("The property.name is the empty string.")
        if name[:2] == "__" and _RESERVED.fullmatch(name):
            raise invalid(f"field name {name} is reserved")
        if len(name) > MOST_BYTES // 4 and len(name.encode()) > MOST_BYTES:
            raise invalid(f"The property.name is longer than {MOST_BYTES} bytes.")
        check_value(value, name, 1)


def check_value(value: Any, name: str, depth: int = 1) -> None:
    """Refuse a value that cannot be stored under the top-level field `name`."""
    kind = value.WhichOneof("value_type")
    if kind == "string_value":
        _check_length(value.string_value, name)
    elif kind == "timestamp_value":
        check_timestamp(value.timestamp_value)
    elif kind == "map_value":
        _check_map(value.map_value.fields, name, depth)
    elif kind == "array_value":
        for one in value.array_value.values:
            if one.HasField("array_value"):
                raise invalid("Cannot convert an array value in an array value.")
            check_value(one, name, depth + 1)
    elif kind == "reference_value":
        document_of(value.reference_value, "Resource")
    elif kind == "geo_point_value":
        _check_place(value.geo_point_value)
    elif kind == "bytes_value":
        if len(value.bytes_value) > MOST_TEXT_BYTES:
            raise _too_long(name)
    elif kind is None:
        raise invalid("Cannot convert firestore.v1.Value with type unset.")
    elif kind not in ("null_value", "boolean_value", "integer_value", "double_value"):
        raise invalid(f"Value type is not supported: {kind.upper()}")


def check_timestamp(stamp: Any) -> None:
    """Refuse an instant outside of years 1 to 9999, and cut it to microseconds."""
    if not _FIRST_SECOND <= stamp.seconds <= _LAST_SECOND:
        raise invalid("Timestamp seconds exceeds limit for field.")
    if not 0 <= stamp.nanos <= 999_999_999:
        raise invalid("Timestamp nanos exceeds limit for field.")
    rest = stamp.nanos % 1000
    if rest:
        stamp.nanos -= rest


def _check_length(text: str, name: str) -> None:
    if len(text) > MOST_TEXT_BYTES // 4 and len(text.encode()) > MOST_TEXT_BYTES:
        raise _too_long(name)


def _too_long(name: str) -> Exception:
    return invalid(f'The value of property "{name}" is longer than {MOST_TEXT_BYTES} bytes.')


def _check_map(fields: Any, name: str, depth: int) -> None:
    vector = "__type__" in fields and fields["__type__"].string_value == VECTOR_MARK
    if depth > MOST_DEPTH or "" in fields:
        raise invalid(f"Property {name} contains an invalid nested entity.")
    for inner, value in fields.items():
        if inner[:2] == "__" and _RESERVED.fullmatch(inner) and not vector:
            raise invalid(f"field name '{inner}' is reserved.")
        check_value(value, name, depth + 1)


def _check_place(place: Any) -> None:
    for what, degrees, most in (
        ("latitude", place.latitude, 90.0),
        ("longitude", place.longitude, 180.0),
    ):
        if not -most <= degrees <= most:
            raise invalid(
                f"Geo point {what} '{degrees}' outside permitted range -{most} to {most}."
            )

"""Firestore's order of values, as keys that Python compares.

Types come in a fixed order (cloud.google.com/firestore/docs/concepts/data-types), numbers of both
kinds compare by value, NaN is the least of them, and strings compare by their UTF-8 bytes, which
is the order of their code points.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

Key: TypeAlias = tuple[Any, ...]

NULL: Key = (0,)
NAN: Key = (2, 0)
# What is greater than every key: the end of an index.
LAST: Key = (99,)
VECTOR_MARK = "__vector__"
_NUMBER = 2
_NUMERIC_ID = re.compile(r"__id(-?\d+)__")


def _number(number: float) -> Key:
    return (_NUMBER, 1, number) if number == number else NAN


def _timestamp(stamp: Any) -> Key:
    return (3, stamp.seconds, stamp.nanos)


def id_key(identity: str) -> str:
    """What a document's id sorts by: `__id7__` is a number, and numbers come before all others."""
    if identity.startswith("\0"):
        return f"\0\1{identity[1:]}"
    found = _NUMERIC_ID.fullmatch(identity) if identity.startswith("__id") else None
    return identity if found is None else f"\0\0{int(found[1]) + 2**63:020d}"


def name_key(name: str) -> tuple[str, ...]:
    """Names, and paths below the root, compare part by part."""
    parts = name.split("/")
    return tuple(parts) if "__id" not in name and "\0" not in name else tuple(map(id_key, parts))


_MAKERS: dict[str, Callable[[Any], Key]] = {
    "null_value": lambda value: NULL,
    "boolean_value": lambda value: (1, value.boolean_value),
    "integer_value": lambda value: (_NUMBER, 1, value.integer_value),
    "double_value": lambda value: _number(value.double_value),
    "timestamp_value": lambda value: _timestamp(value.timestamp_value),
    "string_value": lambda value: (4, value.string_value),
    "bytes_value": lambda value: (5, value.bytes_value),
    "reference_value": lambda value: (6, name_key(value.reference_value)),
    "geo_point_value": lambda value: (
        7,
        value.geo_point_value.latitude,
        value.geo_point_value.longitude,
    ),
    "array_value": lambda value: (8, tuple(key_of(one) for one in value.array_value.values)),
    "map_value": lambda value: _map(value.map_value.fields),
}


def key_of(value: Any) -> Key:
    """The key of a Value; equal keys are values that Firestore holds equal (1 and 1.0)."""
    return _MAKERS[value.WhichOneof("value_type") or "null_value"](value)


def bracket(key: Key) -> tuple[Key, Key]:
    """The least key, and one beyond the last, of what an inequality with `key` may match."""
    if key[0] == _NUMBER:
        return (_NUMBER, 1), (_NUMBER, 2)
    return (key[0],), (key[0] + 1,)


def is_nothing(key: Key) -> bool:
    """Null and NaN: no comparison with them holds."""
    return key is NULL or key in (NULL, NAN)


class Descending:
    """Turns the order of a key around."""

    __slots__ = ("key",)

    def __init__(self, key: Any) -> None:
        self.key = key

    def __lt__(self, other: Descending) -> bool:
        return bool(other.key < self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Descending) and bool(other.key == self.key)

    def __hash__(self) -> int:
        return hash(self.key)


def _map(fields: Any) -> Key:
    """Maps compare by their sorted entries; vectors are maps with a mark, shorter ones first."""
    if "__type__" in fields and fields["__type__"].string_value == VECTOR_MARK:
        numbers = fields["value"].array_value.values
        return (9, len(numbers), tuple(key_of(one) for one in numbers))
    entries = sorted(fields.items(), key=lambda item: item[0])
    return (10, tuple((name, key_of(one)) for name, one in entries))

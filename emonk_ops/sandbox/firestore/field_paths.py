"""Field paths: dotted names, with back-quotes around what is no plain word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, TypeAlias

from emonk_ops.sandbox.firestore.errors import invalid

Path: TypeAlias = tuple[str, ...]
NAME: Path = ("__name__",)
_SIMPLE = r"[a-zA-Z_][a-zA-Z_0-9]*"
_QUOTED = r"`(?:[^`\\]|(?:\\.))+`"
_PART = re.compile(f"{_SIMPLE}|{_QUOTED}", re.DOTALL)
_WHOLE = re.compile(rf"(?:{_SIMPLE}|{_QUOTED})(?:\.(?:{_SIMPLE}|{_QUOTED}))*", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_RESERVED = re.compile(r"__.*__", re.DOTALL)


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """The parts of a field path. Raises Refusal."""
    if not text:
        raise invalid("Invalid empty property path string.")
    if not _WHOLE.fullmatch(text):
        raise invalid(
            f'Invalid property path "{text}". Unquoted property paths must match regex'
            r" ([a-zA-Z_][a-zA-Z_0-9]*), and quoted property paths must match regex"
            r" (`(?:[^`\\]|(?:\\.))+`)"
        )
    parts = tuple(_plain(part) for part in _PART.findall(text))
    if parts != NAME and any(_RESERVED.fullmatch(part) for part in parts):
        raise invalid(f"Invalid reserved name in field path {text}")
    return parts


def _plain(part: str) -> str:
    return _ESCAPED.sub(r"\1", part[1:-1]) if part.startswith("`") else part


def value_at(fields: Any, path: Path) -> Any | None:
    """The Value at a path of a map of fields, or None."""
    for part in path[:-1]:
        if part not in fields:
            return None
        value = fields[part]
        if not value.HasField("map_value"):
            return None
        fields = value.map_value.fields
    return fields.get(path[-1])


def put_at(fields: Any, path: Path, value: Any) -> None:
    """Set a path to a copy of `value`; whatever is in the way becomes a map."""
    for part in path[:-1]:
        held = fields[part]
        if not held.HasField("map_value"):
            held.map_value.SetInParent()
        fields = held.map_value.fields
    fields[path[-1]].CopyFrom(value)


def remove_at(fields: Any, path: Path) -> None:
    """Remove a path where it is; the maps around it stay."""
    for part in path[:-1]:
        if part not in fields or not fields[part].HasField("map_value"):
            return
        fields = fields[part].map_value.fields
    if path[-1] in fields:
        del fields[path[-1]]


def masked(fields: Any, paths: Iterable[Path], into: Any) -> None:
    """Copy what the paths name from one map of fields into another."""
    for path in paths:
        value = value_at(fields, path)
        if value is not None:
            put_at(into, path, value)

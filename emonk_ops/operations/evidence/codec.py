"""Records as plain JSON lists and back. The schema goes along: older files stay readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args, get_type_hints

from emonk_ops.errors import StateDamaged
from emonk_ops.operations.analysis.records import Numbers, Record

Convert = Callable[[Any], Any]
KINDS: Mapping[str, Any] = {one.__name__: one for one in (*get_args(Record), Numbers)}
Schema = Mapping[str, Sequence[str]]
SCHEMA: Schema = {name: list(one._fields) for name, one in KINDS.items()}
HINT = "A newer emonk-ops may have written it: update, and run the same command again"


def plain(record: Record) -> list[Any]:
    """The kind, and the values in the order of the schema."""
    return [type(record).__name__, *map(_plain, record)]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


class Decoder:
    """Reads what `plain` wrote under `schema`. Raises StateDamaged for what this version lacks."""

    def __init__(self, schema: Schema) -> None:
        self._reads = {name: _reader(name, fields, schema) for name, fields in schema.items()}

    def __call__(self, line: Sequence[Any]) -> Record:
        """Raises KeyError, ValueError or TypeError for a damaged line."""
        record: Record = self._reads[line[0]](line[1:])
        return record


def _reader(name: str, fields: Sequence[str], schema: Schema) -> Convert:
    known = KINDS.get(name)
    if known is None or not set(fields) <= set(known._fields):
        raise StateDamaged(f"the evidence has records of another shape: {name}", hint=HINT)
    hints = get_type_hints(known)
    converts = [_convert(hints[field], schema) for field in fields]

    def read(values: Sequence[Any]) -> Any:
        if len(values) != len(fields):
            raise ValueError(f"{name} has {len(values)} values instead of {len(fields)}")
        given = (
            value if convert is None or value is None else convert(value)
            for convert, value in zip(converts, values, strict=True)
        )
        return known(**dict(zip(fields, given, strict=True)))

    return read


def _convert(hint: Any, schema: Schema) -> Convert | None:
    options = (hint, *get_args(hint))
    if datetime in options:
        return datetime.fromisoformat
    nested = next((name for name, one in KINDS.items() if one in options), None)
    return None if nested is None else _reader(nested, schema.get(nested, ()), schema)

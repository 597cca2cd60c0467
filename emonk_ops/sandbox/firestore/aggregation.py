"""COUNT, SUM and AVG over what a query finds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import NAME, Path, parse_path, value_at
from emonk_ops.sandbox.firestore.transforms import Value

MOST_AGGREGATIONS = 5
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True, slots=True)
class Aggregation:
    """`path` None counts, at most to `up_to`."""

    alias: str
    path: Path | None
    result: Callable[[list[Stored]], Any]


def aggregations_of(asked: Any) -> list[Aggregation]:
    """Of a StructuredAggregationQuery. Raises Refusal."""
    if not asked.aggregations:
        raise invalid("Aggregations can not be empty.")
    if len(asked.aggregations) > MOST_AGGREGATIONS:
        raise invalid(f"A maximum of {MOST_AGGREGATIONS} aggregations is allowed.")
    found: list[Aggregation] = []
    unnamed = 0
    for one in asked.aggregations:
        alias = one.alias
        if not alias:
            unnamed += 1
            alias = f"field_{unnamed}"
        if any(other.alias == alias for other in found):
            raise invalid(f"Aggregation aliases contain duplicate alias: {alias}.")
        found.append(_aggregation(one, alias))
    return found


def _aggregation(one: Any, alias: str) -> Aggregation:
    kind = one.WhichOneof("operator")
    if kind is None:
        raise invalid("Operator field in Aggregation is not set.")
    if kind == "count":
        up_to = one.count.up_to.value if one.count.HasField("up_to") else None
        if up_to is not None and up_to < 0:
            raise invalid(
                "The `up_to` value in a COUNT aggregation must be greater than or equal to zero."
            )
        return Aggregation(alias, None, lambda found: _count(found, up_to))
    path = parse_path(getattr(one, kind).field.field_path)
    if path == NAME:
        raise invalid("Aggregations are not supported for the property: __key__")
    total = _sum if kind == "sum" else _average
    return Aggregation(alias, path, lambda found: total(found, path))


def check_mask(asked: list[Aggregation], base: Any) -> None:
    """Raises Refusal for a base query (a StructuredQuery) that gives out a part of its fields."""
    paths = [one.path for one in asked if one.path is not None]
    if not paths or not base.HasField("select"):
        return
    shown = {parse_path(one.field_path) for one in base.select.fields} - {NAME}
    if not shown:
        raise invalid(
            "Aggregation over non-key properties is not supported for base query that only"
            " returns keys."
        )
    for path in paths:
        if path not in shown:
            raise invalid(
                f"The aggregation property {'.'.join(path)} is not present in the base query's"
                " property mask."
            )
    raise invalid("Cannot apply property masks when aggregation fields are present.")


def aggregate(asked: list[Aggregation], found: list[Stored], into: Any) -> None:
    """Fill a map of results; a document without a field that is aggregated counts nowhere."""
    paths = [one.path for one in asked if one.path is not None]
    kept = [
        stored
        for stored in found
        if all(value_at(stored.message.fields, path) is not None for path in paths)
    ]
    for one in asked:
        into[one.alias].CopyFrom(one.result(kept))


def _count(found: list[Stored], up_to: int | None) -> Any:
    count = len(found)
    return Value(integer_value=count if up_to is None else min(count, up_to))


def _totals(found: list[Stored], path: Path) -> tuple[int, float, int, int]:
    """Sum of the whole numbers, sum of the doubles, and how many of each there are."""
    whole, real, wholes, reals = 0, 0.0, 0, 0
    for stored in found:
        value = value_at(stored.message.fields, path)
        kind = None if value is None else value.WhichOneof("value_type")
        if value is not None and kind == "integer_value":
            whole += value.integer_value
            wholes += 1
        elif value is not None and kind == "double_value":
            real += value.double_value
            reals += 1
    return whole, real, wholes, reals


def _sum(found: list[Stored], path: Path) -> Any:
    whole, real, _, reals = _totals(found, path)
    if reals or not _LEAST <= whole <= _MOST:
        return Value(double_value=whole + real)
    return Value(integer_value=whole)


def _average(found: list[Stored], path: Path) -> Any:
    whole, real, wholes, reals = _totals(found, path)
    if not wholes + reals:
        return Value(null_value=0)
    return Value(double_value=(whole + real) / (wholes + reals))

"""Field transforms: what the server computes when a write is applied."""

from __future__ import annotations

from typing import Any

from google.cloud.firestore_v1.types import document, write

from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import parse_path, put_at, value_at
from emonk_ops.sandbox.firestore.ordering import NAN, key_of
from emonk_ops.sandbox.firestore.values import check_value

Value = document.Value.pb()
_REQUEST_TIME = write.DocumentTransform.FieldTransform.ServerValue.REQUEST_TIME
_LEAST, _MOST = -(2**63), 2**63 - 1
_NUMERIC = ("increment", "maximum", "minimum")
_ARRAYS = ("append_missing_elements", "remove_all_from_array")


def check_transforms(transforms: Any) -> None:
    """Raises Refusal for what no document could take."""
    paths = set()
    for one in transforms:
        path = parse_path(one.field_path)
        kind = one.WhichOneof("transform_type")
        if kind is None:
            raise invalid("Operation type must be specified for field transformation.")
        if kind == "set_to_server_value" and one.set_to_server_value != _REQUEST_TIME:
            raise invalid("Unknown server value.")
        if kind in _NUMERIC and getattr(one, kind).WhichOneof("value_type") not in (
            "integer_value",
            "double_value",
        ):
            raise invalid("Input must be int64 or double.")
        if kind in _ARRAYS:
            for value in getattr(one, kind).values:
                if value.HasField("array_value"):
                    raise invalid("Cannot convert an array value in an array value.")
                check_value(value, path[0], 2)
        paths.add(path)
    for path in paths:
        for length in range(1, len(path)):
            if path[:length] in paths:
                outer = ".".join(path[:length])
                raise invalid(
                    f"Cannot transform property {outer} and its nested property at the same time."
                )


def apply_transforms(fields: Any, transforms: Any, now: int) -> list[Any]:
    """Change a map of fields in place; answers the results. `now` is in microseconds."""
    return [_apply(fields, one, now) for one in transforms]


def _apply(fields: Any, transform: Any, now: int) -> Any:
    path = parse_path(transform.field_path)
    kind = transform.WhichOneof("transform_type")
    old = value_at(fields, path)
    if kind == "set_to_server_value":
        new = Value()
        milliseconds = now // 1000
        new.timestamp_value.seconds = milliseconds // 1000
        new.timestamp_value.nanos = milliseconds % 1000 * 1_000_000
    elif kind in _ARRAYS:
        given = getattr(transform, kind).values
        put_at(fields, path, _joined(old, given) if kind == _ARRAYS[0] else _without(old, given))
        return Value(null_value=0)
    elif kind == "increment":
        new = _sum(old, transform.increment)
    else:
        new = _extreme(old, getattr(transform, kind), largest=kind == "maximum")
    put_at(fields, path, new)
    return new


def _is_number(value: Any | None) -> bool:
    return value is not None and value.WhichOneof("value_type") in ("integer_value", "double_value")


def _number(value: Any) -> float | int:
    if value.HasField("integer_value"):
        return int(value.integer_value)
    return float(value.double_value)


def _sum(old: Any | None, step: Any) -> Any:
    """Whole numbers stop at the limits of 64 bits; with a double the sum is a double."""
    if not _is_number(old):
        return step
    total = _number(old) + _number(step)
    if isinstance(total, int):
        return Value(integer_value=max(_LEAST, min(_MOST, total)))
    return Value(double_value=total)


def _extreme(old: Any | None, given: Any, *, largest: bool) -> Any:
    """The greater or less of two numbers; the old one where they are equal, NaN where either is."""
    if not _is_number(old):
        return given
    was, is_now = key_of(old), key_of(given)
    if NAN in (was, is_now):
        return old if was == NAN else given
    return given if (is_now > was if largest else is_now < was) else old


def _elements(old: Any | None) -> list[Any]:
    return list(old.array_value.values) if old is not None and old.HasField("array_value") else []


def _joined(old: Any | None, given: Any) -> Any:
    kept = _elements(old)
    known = {key_of(one) for one in kept}
    for one in given:
        key = key_of(one)
        if key not in known:
            known.add(key)
            kept.append(one)
    return _array(kept)


def _without(old: Any | None, given: Any) -> Any:
    gone = {key_of(one) for one in given}
    return _array([one for one in _elements(old) if key_of(one) not in gone])


def _array(elements: list[Any]) -> Any:
    value = Value()
    value.array_value.SetInParent()
    value.array_value.values.extend(elements)
    return value

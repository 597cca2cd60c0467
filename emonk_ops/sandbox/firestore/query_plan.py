"""A StructuredQuery, checked and put in the form in which it is run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.cloud.firestore_v1.types import query

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.errors import Refusal, invalid, not_implemented
from emonk_ops.sandbox.firestore.field_paths import NAME, Path, parse_path
from emonk_ops.sandbox.firestore.filters import Filters, compile_filter, key_at
from emonk_ops.sandbox.firestore.names import check_collection_id, reference_key
from emonk_ops.sandbox.firestore.ordering import Descending, Key, key_of

_DESCENDING = query.StructuredQuery.Direction.DESCENDING
SortKey: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Order:
    """One field to sort by; its field must be there."""

    path: Path
    descending: bool

    def part(self, key: Key) -> Any:
        return Descending(key) if self.descending else key


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the order: before or behind all documents whose sort key begins with `parts`.

    `keys` are the plain keys of the same values.
    """

    parts: SortKey
    keys: tuple[Key, ...]
    before: bool

    def passed_by(self, key: SortKey) -> bool:
        """Whether a document with this sort key stands behind the place."""
        head = key[: len(self.parts)]
        return self.parts < head or (self.before and self.parts == head)


@dataclass(slots=True)
class Plan:
    """`orders` always end with the name; `limit` None is all."""

    parent: str
    collection: str
    descendants: bool
    filters: Filters
    orders: tuple[Order, ...]
    start: Cursor | None
    end: Cursor | None
    offset: int
    limit: int | None
    projection: tuple[Path, ...] | None

    def sort_key(self, stored: Stored) -> SortKey | None:
        """None for a document that lacks a field of the order."""
        parts = []
        for order in self.orders:
            key = key_at(stored, order.path)
            if key is None:
                return None
            parts.append(order.part(key))
        return tuple(parts)


def plan_of(parent: str, asked: Any, aggregated: Sequence[Path] = ()) -> Plan:
    """Check a StructuredQuery below `parent` (a path, "" for the root). Raises Refusal.

    Fields that are `aggregated` must be there, and sort like fields of inequalities, behind them.
    """
    if asked.HasField("find_nearest"):
        raise not_implemented("RunQuery with find_nearest")
    if len(asked.from_) > 1:
        raise invalid("Only one collection selector is allowed.")
    collection, descendants = "", False
    if asked.from_:
        collection, descendants = asked.from_[0].collection_id, asked.from_[0].all_descendants
        check_collection_id(collection)
    if asked.offset < 0:
        raise invalid("offset is negative")
    if asked.HasField("limit") and asked.limit.value < 0:
        raise invalid("limit is negative")
    filters = compile_filter(asked.where if asked.HasField("where") else None)
    given = [
        Order(parse_path(one.field.field_path), one.direction == _DESCENDING)
        for one in asked.order_by
    ]
    orders = _completed(given, filters)
    _check_scope(parent, collection, descendants, orders, filters)
    if collection:
        by_name = filters.names or (descendants and bool(parent))
        orders = _aggregable(orders, aggregated, by_name or any(one.path == NAME for one in given))
    return Plan(
        parent=parent,
        collection=collection,
        descendants=descendants,
        filters=filters,
        orders=orders,
        start=_cursor(asked, "start_at", given),
        end=_cursor(asked, "end_at", given),
        offset=asked.offset,
        limit=asked.limit.value if asked.HasField("limit") else None,
        projection=_projection(asked),
    )


def _check_scope(
    parent: str, collection: str, descendants: bool, orders: tuple[Order, ...], filters: Filters
) -> None:
    """Refuse what Firestore has no index for, whatever indexes somebody makes."""
    if not collection:
        if filters.beside_name:
            raise invalid(f"kind is required for filter: {filters.beside_name}")
        if any(one.path != NAME or one.descending for one in orders):
            raise invalid("kind is required for all orders except __key__ ascending")
        return
    if descendants and parent and (filters.beside_name or len(orders) > 1):
        raise invalid("collection group queries are only allowed at the root parent")
    if orders[0] == Order(NAME, True) and not filters.beside_name:
        what = "Firestore does not support descending key scans"
        if descendants and parent:
            what = (
                "collection group queries are only allowed if they're at the root or they're"
                " an ascending primary key scan"
            )
        raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, what)


def _projection(asked: Any) -> tuple[Path, ...] | None:
    if not asked.HasField("select"):
        return None
    return tuple(parse_path(one.field_path) for one in asked.select.fields)


def _completed(given: list[Order], filters: Filters) -> tuple[Order, ...]:
    """The order with what Firestore adds: fields of inequalities by name, then the name."""
    orders = list(given)
    seen: set[Path] = set()
    for order in orders:
        if order.path in seen:
            raise invalid(f"order by clause cannot contain duplicate fields {'.'.join(order.path)}")
        seen.add(order.path)
    last = orders[-1].descending if orders else False
    added = [parse_path(text) for text in sorted(filters.inequalities)]
    orders += [Order(path, last) for path in added if path not in seen and path != NAME]
    for order in orders[:-1]:
        if order.path == NAME:
            raise invalid("order by clause cannot contain more fields after the key")
    if not orders or orders[-1].path != NAME:
        orders.append(Order(NAME, last))
    return tuple(orders)


def _aggregable(
    orders: tuple[Order, ...], aggregated: Sequence[Path], by_name: bool
) -> tuple[Order, ...]:
    """The order with the fields that are aggregated, which cannot stand behind a name."""
    known = {one.path for one in orders}
    added = sorted({".".join(path): path for path in aggregated if path not in known}.items())
    if added and by_name:
        raise invalid(
            f"This query requires an index that has fields [{', '.join(text for text, _ in added)}]"
            " after __name__ and Firestore does not currently support such an index. Please try the"
            " query again with additional ordering on those fields."
        )
    name = orders[-1]
    return (*orders[:-1], *(Order(path, name.descending) for _, path in added), name)


def _cursor(asked: Any, which: str, given: list[Order]) -> Cursor | None:
    cursor = getattr(asked, which)
    if not cursor.values:
        return None
    if len(cursor.values) > len(given):
        raise invalid("Cursor has too many values.")
    keys = []
    for order, value in zip(given, cursor.values, strict=False):
        if order.path != NAME:
            keys.append(key_of(value))
        elif not value.HasField("reference_value"):
            raise invalid("Cursor value for __name__ must be a reference.")
        else:
            keys.append(reference_key(value.reference_value))
    parts = tuple(order.part(key) for order, key in zip(given, keys, strict=False))
    return Cursor(parts, tuple(keys), bool(cursor.before))

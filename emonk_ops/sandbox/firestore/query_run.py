"""Runs a plan: the cheapest index that serves it, then filters, cursors, offset and limit."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from emonk_ops.sandbox.firestore.collection import Collection, Entries, Stored
from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.field_paths import NAME
from emonk_ops.sandbox.firestore.filters import Leaf, Span, all_of
from emonk_ops.sandbox.firestore.ordering import LAST, name_key
from emonk_ops.sandbox.firestore.query_plan import Plan, SortKey


class _Top:
    """Greater than every document id."""

    def __lt__(self, other: object) -> bool:
        return False

    def __gt__(self, other: object) -> bool:
        return True


_TOP = _Top()


def run(database: Database, plan: Plan, at: int | None = None) -> list[Stored]:
    """The documents in order, now or at a past moment."""
    wanted = None if plan.limit is None else plan.offset + plan.limit
    if wanted == 0:
        return []
    collections = list(database.under(plan.parent, plan.collection, descendants=plan.descendants))
    if at is not None and at < database.changed_at:
        past = (one for held in collections for one in held.everything_at(at))
        found: Iterable[Stored] = _sorted(plan, past, plan.filters.conjuncts)
    elif len(collections) == 1:
        found = _of(collections[0], plan)
    else:
        streams = [_keyed(plan, _of(one, plan)) for one in collections]
        found = (stored for _, stored in heapq.merge(*streams, key=lambda pair: pair[0]))
    return list(itertools.islice(found, plan.offset, wanted))


def _keyed(plan: Plan, found: Iterable[Stored]) -> Iterator[tuple[SortKey, Stored]]:
    for stored in found:
        key = plan.sort_key(stored)
        assert key is not None
        yield key, stored


def _of(collection: Collection, plan: Plan) -> Iterable[Stored]:
    """The matches within one collection, in order."""
    conjuncts = plan.filters.conjuncts
    leaves = [one for one in conjuncts if isinstance(one, Leaf) and one.spans is not None]
    first = plan.orders[0]
    covered: list[Leaf] = []
    chosen: Leaf | None = None
    if first.path == NAME:
        walk, cost = _by_name(collection, plan), len(collection.ids)
    else:
        walk, covered, cost = _by_first_order(collection, plan, leaves)
    for leaf in leaves:
        if leaf.path in (NAME, first.path) or not _is_points(leaf):
            continue
        entries = collection.index(leaf.path)
        count = sum(_count(entries, span) for span in leaf.spans or ())
        if count < cost:
            cost, chosen = count, leaf
    named = next((one for one in leaves if one.path == NAME and _is_points(one)), None)
    if named is not None:
        return _sorted(plan, _named(collection, named), conjuncts)
    if chosen is not None:
        found = _spanned(collection, chosen.spans or (), chosen)
        rest = [one for one in conjuncts if one is not chosen]
        return _sorted(plan, found, rest)
    rest = [one for one in conjuncts if one not in covered]
    return _cut(plan, walk, rest)


def _is_points(leaf: Leaf) -> bool:
    return all(first == last for first, last, _, _ in leaf.spans or ())


def _named(collection: Collection, leaf: Leaf) -> Iterator[Stored]:
    prefix = name_key(collection.path)
    for name, *_ in leaf.spans or ():
        if name[:-1] == prefix and name[-1] in collection.documents:
            yield collection.documents[name[-1]]


def _spanned(collection: Collection, spans: Iterable[Span], leaf: Leaf) -> Iterator[Stored]:
    entries = collection.index(leaf.path)
    for first, last, with_first, with_last in spans:
        for _, identity in entries.irange(*_limits(first, last, with_first, with_last)):
            yield collection.documents[identity]


def _limits(first: Any, last: Any, with_first: bool, with_last: bool) -> tuple[Any, Any]:
    """Entries between which an index holds a span of keys."""
    low = (first,) if with_first else (first, _TOP)
    high = (last, _TOP) if with_last else (last,)
    return low, high


def _count(entries: Entries, span: Span) -> int:
    low, high = _limits(*span)
    return int(entries.bisect_left(high)) - int(entries.bisect_left(low))


def _by_name(collection: Collection, plan: Plan) -> Iterator[Stored]:
    """All documents by id, from the cursor on where there is one."""
    order, low, high = plan.orders[0], None, None
    for cursor in (plan.start, plan.end):
        if cursor is None or name_key(collection.path) != cursor.keys[0][:-1]:
            continue
        if (cursor is plan.start) != order.descending:
            low = cursor.keys[0][-1]
        else:
            high = cursor.keys[0][-1]
    for identity in collection.ids.irange(low, high, reverse=order.descending):
        yield collection.documents[identity]


def _by_first_order(
    collection: Collection, plan: Plan, leaves: list[Leaf]
) -> tuple[Iterator[Stored], list[Leaf], int]:
    """A walk along the index of the first field of the order, the filters that it makes true, and
    how many entries it may meet.
    """
    order = plan.orders[0]
    low: tuple[Any, ...] = ((),)
    high: tuple[Any, ...] = (LAST,)
    covered = []
    for leaf in leaves:
        if leaf.path == order.path and leaf.spans is not None and len(leaf.spans) == 1:
            least, most = _limits(*leaf.spans[0])
            low, high = max(low, least), min(high, most)
            covered.append(leaf)
    for cursor in (plan.start, plan.end):
        if cursor is None:
            continue
        if (cursor is plan.start) != order.descending:
            low = max(low, (cursor.keys[0],))
        else:
            high = min(high, (cursor.keys[0], _TOP))
    entries = collection.index(order.path)
    count = max(0, int(entries.bisect_left(high)) - int(entries.bisect_left(low)))
    if plan.limit is not None and len(covered) == len(plan.filters.conjuncts):
        count = min(count, plan.offset + plan.limit)
    if not count:
        return iter(()), covered, 0
    return _grouped(collection, plan, entries, low, high), covered, count


def _grouped(
    collection: Collection, plan: Plan, entries: Entries, low: Any, high: Any
) -> Iterator[Stored]:
    """Documents in the index's order, and within equal keys in the order of the rest."""
    order = plan.orders[0]
    walk = entries.irange(low, high, reverse=order.descending)
    documents = collection.documents
    if len(plan.orders) == 2 and plan.orders[1].descending == order.descending:
        for _, identity in walk:
            yield documents[identity]
        return
    for _, group in itertools.groupby(walk, key=lambda entry: entry[0]):
        yield from _by_sort_key(plan, (documents[identity] for _, identity in group))


def _by_sort_key(plan: Plan, found: Iterable[Stored]) -> list[Stored]:
    keyed = [(key, stored) for stored in found if (key := plan.sort_key(stored)) is not None]
    keyed.sort(key=lambda pair: pair[0])
    return [stored for _, stored in keyed]


def _sorted(plan: Plan, found: Iterable[Stored], rest: list[Any]) -> Iterator[Stored]:
    if rest:
        test = all_of(rest)
        found = (stored for stored in found if test(stored))
    return _cut(plan, _by_sort_key(plan, found), [])


def _cut(plan: Plan, found: Iterable[Stored], rest: list[Any]) -> Iterator[Stored]:
    """What matches and lies between the cursors, of documents that come in order."""
    test = all_of(rest) if rest else None
    start, end = plan.start, plan.end
    if start is None and end is None:
        yield from found if test is None else filter(test, found)
        return
    for stored in found:
        if test is not None and not test(stored):
            continue
        key = plan.sort_key(stored)
        if key is None or (start is not None and not start.passed_by(key)):
            continue
        if end is not None and end.passed_by(key):
            return
        yield stored

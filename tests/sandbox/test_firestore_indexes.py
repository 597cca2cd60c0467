"""Whatever index serves a query, it finds what a look at every document finds."""

from __future__ import annotations

import random
import sqlite3
from typing import Any

from google.cloud.firestore_v1.types import query, write
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.disk import Disk
from emonk_ops.sandbox.firestore.filters import all_of
from emonk_ops.sandbox.firestore.names import DatabaseName
from emonk_ops.sandbox.firestore.query_plan import Plan, plan_of
from emonk_ops.sandbox.firestore.query_run import run
from emonk_ops.sandbox.firestore.stamps import CommitClock
from emonk_ops.sandbox.firestore.writes import Draft, change_of

NAME = DatabaseName("p", "(default)")
Write, Query = write.Write.pb(), query.StructuredQuery.pb()
OPERATORS = {"<": 1, "<=": 2, ">": 3, ">=": 4, "==": 5}

numbers = st.integers(0, 6)
documents = st.dictionaries(
    st.sampled_from([f"d{number}" for number in range(12)]),
    st.fixed_dictionaries({}, optional={"a": numbers, "b": numbers}),
    min_size=1,
)
steps = st.lists(st.tuples(documents, st.lists(st.integers(0, 11), max_size=3)), max_size=4)
conditions = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from(sorted(OPERATORS)), numbers), max_size=3
)
orders = st.lists(
    st.tuples(st.sampled_from("ab"), st.booleans()), max_size=2, unique_by=lambda pair: pair[0]
)


def new_database() -> Database:
    disk = Disk(sqlite3.connect(":memory:", isolation_level=None))
    return Database(NAME, disk, CommitClock(lambda: 0))


def commit(database: Database, messages: list[Any]) -> None:
    draft = Draft(database, database.clock.commit())
    for message in messages:
        draft.apply(change_of(message, NAME))
    database.install(draft.finished()[0])


def put(identity: str, fields: dict[str, int], collection: str = "c") -> Any:
    message = Write()
    message.update.name = f"{NAME.root}/{collection}/{identity}"
    for name, number in fields.items():
        message.update.fields[name].integer_value = number
    return message


def removal(identity: str) -> Any:
    return Write(delete=f"{NAME.root}/c/{identity}")


def asked(wanted: list[Any], sorting: list[Any], limit: int | None, after: int | None) -> Plan:
    message = Query()
    message.from_.add(collection_id="c")
    message.where.composite_filter.op = 1
    for field, operator, number in wanted:
        one = message.where.composite_filter.filters.add().field_filter
        one.field.field_path, one.op = field, OPERATORS[operator]
        one.value.integer_value = number
    for field, descending in sorting:
        message.order_by.add(direction=2 if descending else 1).field.field_path = field
    if sorting and after is not None:
        message.start_at.values.add().integer_value = after
    if limit is not None:
        message.limit.value = limit
    return plan_of("", message)


def by_looking_at_all(held: dict[str, Stored], plan: Plan) -> list[str]:
    test = all_of(plan.filters.conjuncts)
    keyed = [
        (key, stored.id)
        for stored in held.values()
        if test(stored) and (key := plan.sort_key(stored)) is not None
    ]
    found = [one for key, one in sorted(keyed) if plan.start is None or plan.start.passed_by(key)]
    return found[: plan.limit]


@settings(deadline=None, max_examples=150)
@given(
    steps,
    st.lists(st.tuples(conditions, orders, st.none() | numbers, st.none() | numbers), max_size=4),
)
def test_an_index_that_grows_with_the_writes_finds_what_a_scan_finds(
    changes: list[Any], queries: list[Any]
) -> None:
    database = new_database()
    for written, removed in changes:
        commit(database, [put(identity, fields) for identity, fields in written.items()])
        commit(database, [removal(f"d{number}") for number in set(removed)])
        for query_parts in queries:
            plan = asked(*query_parts)
            found = [stored.id for stored in run(database, plan)]
            assert found == by_looking_at_all(database.collections["c"].documents, plan)


@settings(deadline=None, max_examples=50)
@given(steps)
def test_a_past_moment_shows_what_was_there(changes: list[Any]) -> None:
    database = new_database()
    seen: list[tuple[int, list[str]]] = []
    plan = asked([], [("a", False)], None, None)
    for written, removed in changes:
        commit(database, [put(identity, fields) for identity, fields in written.items()])
        commit(database, [removal(f"d{number}") for number in set(removed)])
        seen.append((database.clock.read(), [one.id for one in run(database, plan)]))
    for moment, found in seen:
        assert [one.id for one in run(database, plan, moment)] == found


class Counting(dict[str, Stored]):
    """Counts how many documents are looked at."""

    looks = 0

    def __getitem__(self, key: str) -> Stored:
        self.looks += 1
        return super().__getitem__(key)


def test_a_poll_looks_at_what_is_due_and_not_at_what_is_stored() -> None:
    database = new_database()
    rng = random.Random(1)
    for start in range(0, 20_000, 500):
        commit(
            database,
            [put(f"far{n}", {"a": rng.randrange(10, 99)}) for n in range(start, start + 500)],
        )
    commit(database, [put(f"due{n}", {"a": n % 5}) for n in range(150)])
    held = database.collections["c"]
    held.documents = counting = Counting(held.documents)
    assert len(run(database, asked([("a", "<=", 5)], [("a", False)], 100, None))) == 100
    assert counting.looks == 100
    equal = asked([("a", "==", 3), ("b", ">", 1)], [], None, None)
    assert run(database, equal) == []
    assert counting.looks <= 130

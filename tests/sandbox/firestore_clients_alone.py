"""Google's own Firestore clients, and nothing of ours: FIRESTORE_EMULATOR_HOST says where.

Each step prints one line when it went as the client's documentation says.
"""

from __future__ import annotations

import asyncio
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.aggregation import AggregationQuery
from google.cloud.firestore_v1.base_query import And, FieldFilter, Or

PROJECT = "alone"


def main() -> None:
    warnings.simplefilter("ignore")
    client: Any = firestore.Client(project=PROJECT)
    other: Any = firestore.Client(project=PROJECT, database="other")
    steps: tuple[Callable[[Any], None], ...] = (
        documents_live_and_die,
        the_server_computes,
        preconditions_hold,
        queries_find,
        groups_are_counted,
        a_transaction_is_tried_again,
        many_are_written_in_bulk,
        the_past_is_read,
        a_tree_is_removed,
    )
    for step in steps:
        step(client)
        say(step.__name__.replace("_", " "))
    assert other.document("towns/a").get().exists is False
    other.document("towns/only").set({"n": 1})
    assert client.document("towns/only").get().exists is False
    say("databases are apart")
    asyncio.run(asynchronously())
    say("the asynchronous client")


def documents_live_and_die(client: Any) -> None:
    towns = client.collection("towns")
    towns.document("a").create({"name": "A", "size": 3, "at": firestore.GeoPoint(1.5, 2.5)})
    reference = towns.document("a")
    reference.update({"size": 4, "deep.er": [1, "x", None], "name": firestore.DELETE_FIELD})
    held = reference.get()
    assert held.to_dict() == {
        "size": 4,
        "at": firestore.GeoPoint(1.5, 2.5),
        "deep": {"er": [1, "x", None]},
    }
    assert held.create_time < held.update_time <= held.read_time
    reference.set({"deep": {"est": b"\x00"}}, merge=True)
    assert reference.get(["deep"]).to_dict() == {"deep": {"er": [1, "x", None], "est": b"\x00"}}
    _, added = towns.add({"self": reference})
    assert added.get().get("self") == reference
    assert {one.id for one in client.get_all([reference, added]) if one.exists} == {"a", added.id}
    added.delete()
    assert not added.get().exists
    assert [one.id for one in towns.list_documents()] == ["a"]
    assert [one.id for one in client.collections()] == ["towns"]


def the_server_computes(client: Any) -> None:
    reference = client.document("towns/b")
    reference.set({"n": 1, "list": [1, 2], "when": firestore.SERVER_TIMESTAMP})
    reference.update(
        {
            "n": firestore.Increment(2.5),
            "list": firestore.ArrayUnion([2, 3]),
            "most": firestore.Maximum(7),
            "least": firestore.Minimum(-7),
        }
    )
    held = reference.get().to_dict()
    assert datetime.now(UTC) - held.pop("when") < timedelta(minutes=1)
    assert held == {"n": 3.5, "list": [1, 2, 3], "most": 7, "least": -7}
    reference.update({"list": firestore.ArrayRemove([1, 3])})
    assert reference.get().get("list") == [2]


def preconditions_hold(client: Any) -> None:
    reference = client.document("towns/b")
    first = reference.get().update_time
    reference.update({"n": 0}, client.write_option(last_update_time=first))
    refused(exceptions.FailedPrecondition, lambda: reference.update({"n": 1}, stale(client, first)))
    refused(exceptions.AlreadyExists, lambda: reference.create({}))
    refused(exceptions.NotFound, lambda: client.document("towns/none").update({"n": 1}))
    batch = client.batch()
    batch.set(client.document("towns/never"), {"n": 1})
    batch.create(reference, {})
    refused(exceptions.AlreadyExists, batch.commit)
    assert not client.document("towns/never").get().exists


def stale(client: Any, moment: Any) -> Any:
    return client.write_option(last_update_time=moment)


def refused(kind: type[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def queries_find(client: Any) -> None:
    numbers = client.collection("numbers")
    for number in range(10):
        tags = ["even" if number % 2 == 0 else "odd", f"t{number % 3}"]
        numbers.document(f"n{number}").set({"n": number, "third": number % 3, "tags": tags})
    assert ids(numbers.where(filter=FieldFilter("n", ">", 6))) == ["n7", "n8", "n9"]
    assert ids(numbers.where(filter=FieldFilter("tags", "array_contains", "t0")))[1:] == (
        ["n3", "n6", "n9"]
    )
    either = Or([FieldFilter("n", "==", 1), And([FieldFilter("third", "==", 2), over(numbers, 4)])])
    assert ids(numbers.where(filter=either)) == ["n1", "n5", "n8"]
    assert ids(numbers.where(filter=FieldFilter("n", "in", [9, 2, 77]))) == ["n2", "n9"]
    assert ids(numbers.where(filter=FieldFilter("n", "not-in", [0, 1, 2, 3, 4, 5]))) == (
        ["n6", "n7", "n8", "n9"]
    )
    ordered = numbers.order_by("third").order_by("n", direction=firestore.Query.DESCENDING)
    assert ids(ordered.limit(4)) == ["n9", "n6", "n3", "n0"]
    start = numbers.document("n3").get()
    assert ids(ordered.start_after(start).limit(2)) == ["n0", "n7"]
    assert ids(numbers.order_by("n").limit_to_last(2)) == ["n8", "n9"]
    shown = next(iter(numbers.order_by("n").select(["third"]).offset(4).stream()))
    assert shown.to_dict() == {"third": 1}


def over(_numbers: Any, least: int) -> Any:
    return FieldFilter("n", ">", least)


def ids(query: Any) -> list[str]:
    return [one.id for one in query.get()]


def groups_are_counted(client: Any) -> None:
    for town, count in (("a", 2), ("b", 3)):
        for number in range(count):
            client.document(f"towns/{town}/streets/s{number}").set({"length": number + 0.5})
    streets = client.collection_group("streets")
    assert len(list(streets.stream())) == 5
    assert len(list(streets.where(filter=FieldFilter("length", ">=", 1.5)).stream())) == 3
    assert streets.count().get()[0][0].value == 5
    asked: Any = AggregationQuery(streets)
    asked.sum("length", alias="sum").avg("length", alias="avg").count(alias="count")
    assert {one.alias: one.value for one in asked.get()[0]} == {"sum": 6.5, "avg": 1.3, "count": 5}


def a_transaction_is_tried_again(client: Any) -> None:
    reference = client.document("towns/counter")
    reference.set({"n": 0})

    @firestore.transactional
    def add(transaction: Any) -> int:
        found = int(reference.get(transaction=transaction).get("n"))
        transaction.update(reference, {"n": found + 1})
        return found

    assert [add(client.transaction()) for _ in range(3)] == [0, 1, 2]

    class Stop(Exception):
        pass

    @firestore.transactional
    def broken(transaction: Any) -> None:
        transaction.update(reference, {"n": 99})
        raise Stop

    refused(Stop, lambda: broken(client.transaction()))
    assert reference.get().get("n") == 3

    @firestore.transactional
    def seen(transaction: Any) -> set[str]:
        return {one.id for one in client.collection("towns").stream(transaction=transaction)}

    assert "counter" in seen(client.transaction(read_only=True))


def many_are_written_in_bulk(client: Any) -> None:
    writer = client.bulk_writer()
    for number in range(300):
        writer.create(client.document(f"bulk/b{number:03d}"), {"n": number})
    writer.close()
    assert client.collection("bulk").count().get()[0][0].value == 300
    pages = client.collection("bulk").list_documents(page_size=70)
    assert len(list(pages)) == 300


def the_past_is_read(client: Any) -> None:
    reference = client.document("towns/past")
    reference.set({"n": 1})
    before = reference.get().read_time
    time.sleep(0.01)
    reference.set({"n": 2})
    assert reference.get(read_time=before).get("n") == 1
    query = client.collection("towns").where(filter=FieldFilter("n", "==", 1))
    assert "past" in {one.id for one in query.get(read_time=before)}
    assert "past" not in {one.id for one in query.get()}


def a_tree_is_removed(client: Any) -> None:
    assert client.recursive_delete(client.collection("towns")) >= 8
    assert list(client.collection_group("streets").stream()) == []
    assert {one.id for one in client.collections()} == {"numbers", "bulk"}


async def asynchronously() -> None:
    client: Any = firestore.AsyncClient(project="alone-async")
    reference = client.document("things/one")
    await reference.create({"n": 1})

    @firestore.async_transactional
    async def add(transaction: Any) -> None:
        held = await reference.get(transaction=transaction)
        transaction.update(reference, {"n": held.get("n") + 1})

    await asyncio.gather(*(add(client.transaction(max_attempts=20)) for _ in range(4)))
    assert (await reference.get()).get("n") == 5
    found = [one.id async for one in client.collection("things").order_by("n").stream()]
    assert found == ["one"]
    counted = await client.collection("things").count().get()
    assert counted[0][0].value == 1
    await client.recursive_delete(client.collection("things"))
    assert not (await reference.get()).exists


def say(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""What sorts before what, and what a read of the past sees: on the sandbox as on Google's."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter

from emonk_ops.sandbox.endpoint import Endpoint

IDS = ["__id-3__", "__id7__", "__id10__", "\x00", "\x01a", "0", "A", "__x", "zz"]


def client_of(address: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", address)
    return firestore.Client(project=f"order-{secrets.token_hex(4)}")


@pytest.fixture
def client(firestore_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = client_of(firestore_address, monkeypatch)
    yield made
    made.close()


def ids(found: Any) -> list[str]:
    return [one.id for one in found]


def test_numeric_ids_come_first_and_by_their_number(client: Any) -> None:
    held = client.collection("c")
    for identity in reversed(IDS):
        held.document(identity).set({"a": 1, "to": held.document(identity)})
    seven = held.document("__id7__")
    assert ids(held.stream()) == IDS
    assert ids(held.where(filter=FieldFilter("a", "==", 1)).stream()) == IDS
    assert ids(held.order_by("to").stream()) == IDS
    assert ids(held.list_documents(page_size=3)) == IDS
    assert ids(held.order_by("__name__").start_at([seven]).stream()) == IDS[1:]
    assert ids(held.where(filter=FieldFilter("__name__", ">", seven)).stream()) == IDS[2:]
    assert ids(held.where(filter=FieldFilter("__name__", "==", seven)).stream()) == ["__id7__"]
    seven.delete()
    assert ids(held.stream()) == [one for one in IDS if one != "__id7__"]


@pytest.mark.parametrize("identity", ["__id007__", "__id-0__", "__id9223372036854775808__"])
def test_a_numeric_id_is_a_64_bit_integer(client: Any, identity: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=identity):
        client.document(f"c/{identity}").set({"a": 1})


def test_a_recursive_query_finds_a_collection_and_all_below_it(client: Any) -> None:
    for path in ("c/Plato", "c/Plato/pets/Rex", "c/plain", "d/x", "cc/x", "c/ghost/pets/Tom"):
        client.document(path).set({"a": 1})
    held = client.collection("c").recursive()
    assert ids(held.stream()) == ["Plato", "Rex", "Tom", "plain"]


def aggregated(asked: Any) -> dict[str, Any]:
    (found,) = asked.get(timeout=20)
    return {one.alias: one.value for one in found}


def test_what_is_aggregated_must_be_there_and_sorts_before_the_limit(client: Any) -> None:
    held = client.collection("c")
    for number, (a, b) in enumerate([(3, 1), (1, 9), (None, 5), (2, 7), (5, None), (4, 2)]):
        fields = {"a": a, "b": b, "n": number // 2}
        held.document(f"d{number}").set({k: v for k, v in fields.items() if v is not None})
    two = held.limit(2)
    assert aggregated(two.sum("a", "s")) == {"s": 3}
    assert aggregated(two.count("c").sum("a", "s")) == {"c": 2, "s": 3}
    assert aggregated(two.sum("b", "t").sum("a", "s")) == {"t": 16, "s": 3}
    assert aggregated(held.order_by("n").limit(3).sum("a", "s")) == {"s": 6}
    backwards = held.order_by("n", direction="DESCENDING")
    assert aggregated(backwards.limit(1).avg("a", "s")) == {"s": 5.0}
    above = held.where(filter=FieldFilter("b", ">", 1))
    assert aggregated(above.limit(2).sum("a", "s")) == {"s": 6}
    assert aggregated(held.order_by("__name__").count("c")) == {"c": 6}
    named = FieldFilter("__name__", ">", held.document("d1"))
    for refused in (held.order_by("n").order_by("__name__"), held.where(filter=named)):
        with pytest.raises(exceptions.InvalidArgument, match=r"fields \[a, b\] after __name__"):
            aggregated(refused.sum("b").sum("a"))


def test_collections_and_missing_documents_are_those_of_the_read_time(client: Any) -> None:
    client.document("first/x").set({"a": 1})
    then = client.document("first/x").get().read_time
    client.document("second/x/below/y").set({"a": 1})
    client.document("first/x").delete()
    assert ids(client.collections()) == ["second"]
    assert ids(client.collections(read_time=then)) == ["first"]
    assert ids(client.collection("second").list_documents()) == ["x"]
    assert ids(client.collection("second").list_documents(read_time=then)) == []
    assert ids(client.collection("first").list_documents(read_time=then)) == ["x"]


def test_a_read_of_more_than_an_hour_ago_is_refused(
    firestore_embedded: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(firestore_embedded.grpc, monkeypatch)
    document = client.document("c/x")
    now = document.get().read_time
    assert not document.get(read_time=now - timedelta(minutes=59)).exists
    for read in (document.get, client.collection("c").get):
        with pytest.raises(exceptions.FailedPrecondition, match="snapshot version is too old"):
            read(read_time=now - timedelta(minutes=61), timeout=20)
    client.close()

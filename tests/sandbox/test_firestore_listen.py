"""What `on_snapshot` of Google's client shows: on the sandbox as on Google's emulator."""

from __future__ import annotations

import queue
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.cloud import firestore
from google.cloud.firestore_v1.base_query import FieldFilter
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse

from emonk_ops.sandbox.endpoint import Endpoint

LISTEN = "/google.firestore.v1.Firestore/Listen"
WITHIN_SECONDS = 20


@pytest.fixture
def client(firestore_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_address)
    made: Any = firestore.Client(project=f"listen-{secrets.token_hex(4)}")
    yield made
    made.close()


@pytest.fixture
def watch() -> Iterator[Callable[[Any], Callable[[list[Any]], None]]]:
    """Begin to watch; what is answered waits until a snapshot shows (id, a) of these documents."""
    watches: list[Any] = []

    def begin(asked: Any) -> Callable[[list[Any]], None]:
        seen: queue.Queue[list[Any]] = queue.Queue()
        watches.append(
            asked.on_snapshot(
                lambda found, changes, at: seen.put([(one.id, one.get("a")) for one in found])
            )
        )

        def until(wanted: list[Any]) -> None:
            while seen.get(timeout=WITHIN_SECONDS) != wanted:
                pass

        return until

    yield begin
    for one in watches:
        one.unsubscribe()


def test_a_document_is_seen_to_come_to_change_and_to_go(client: Any, watch: Any) -> None:
    document = client.document("c/x")
    until = watch(document)
    document.set({"a": 1})
    until([("x", 1)])
    client.document("c/other").set({"a": 5})
    document.update({"a": 2})
    until([("x", 2)])
    document.delete()
    until([])


def test_a_query_shows_what_it_finds_after_each_commit(client: Any, watch: Any) -> None:
    held = client.collection("c")
    for number in (1, 2, 3):
        held.document(f"d{number}").set({"a": number})
    until = watch(held.where(filter=FieldFilter("a", ">", 1)).order_by("a").limit(2))
    until([("d2", 2), ("d3", 3)])
    held.document("d1").set({"a": 1.5})
    until([("d1", 1.5), ("d2", 2)])
    held.document("d2").set({"a": 0})
    until([("d1", 1.5), ("d3", 3)])
    batch = client.batch()
    batch.set(held.document("d4"), {"a": 2.5})
    batch.delete(held.document("d1"))
    batch.commit()
    until([("d4", 2.5), ("d3", 3)])


def test_a_transaction_s_writes_are_seen_at_once(client: Any, watch: Any) -> None:
    held = client.collection("c")
    until = watch(held.order_by("a"))
    until([])

    @firestore.transactional
    def both(transaction: Any) -> None:
        for number in (1, 2):
            transaction.set(held.document(f"d{number}"), {"a": number})

    both(client.transaction())
    until([("d1", 1), ("d2", 2)])


def answers(address: str, *requests: Any) -> list[Any]:
    """All responses to these requests on one stream."""
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(
            LISTEN,
            request_serializer=ListenRequest.serialize,
            response_deserializer=ListenResponse.deserialize,
        )
        return list(call(iter(requests), timeout=WITHIN_SECONDS))


def kinds(found: list[Any]) -> list[str]:
    return [
        one.target_change.target_change_type.name if "target_change" in one else "DOCUMENT"
        for one in found
    ]


def test_a_bad_target_is_removed_with_its_cause(firestore_embedded: Endpoint) -> None:
    database = "projects/emonk-qa/databases/(default)"
    query = {"parent": f"{database}/documents", "structured_query": {"offset": -1}}
    bad = ListenRequest(database=database, add_target={"query": query, "target_id": 7})
    added, removed = answers(firestore_embedded.grpc, bad)
    assert kinds([added, removed]) == ["ADD", "REMOVE"]
    assert "offset is negative" in removed.target_change.cause.message


def test_who_resumes_begins_anew_and_once_is_once(firestore_embedded: Endpoint) -> None:
    database = "projects/emonk-qa/databases/(default)"
    documents = {"documents": [f"{database}/documents/listened/none"]}
    target = {"documents": documents, "target_id": 5, "resume_token": b"before", "once": True}
    found = answers(firestore_embedded.grpc, ListenRequest(database=database, add_target=target))
    assert kinds(found) == ["ADD", "RESET", "DOCUMENT", "CURRENT", "NO_CHANGE", "REMOVE"]


def test_a_stream_without_a_target_is_refused(firestore_embedded: Endpoint) -> None:
    nothing = ListenRequest(database="projects/emonk-qa/databases/(default)")
    with pytest.raises(grpc.RpcError, match="A target to add or to remove is required"):
        answers(firestore_embedded.grpc, nothing)

"""What Google's system tests expect of the platform and its emulator does not do."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import firestore
from google.cloud.firestore_v1.types import query

from emonk_ops.sandbox.endpoint import Endpoint

COUNT = 3 * 128 + 40


@pytest.fixture
def client(firestore_embedded: Endpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_embedded.grpc)
    made: Any = firestore.Client(project=f"parts-{secrets.token_hex(4)}")
    yield made
    made.close()


def filled(client: Any, count: int) -> list[str]:
    """Paths of the documents of a group, in order."""
    paths = [f"{('g', 'a/b/g', 'c/d/g')[number % 3]}/d{number:03}" for number in range(count)]
    batch = client.batch()
    for path in paths:
        batch.set(client.document(path), {"a": 1})
    batch.commit()
    return sorted(paths)


@pytest.mark.parametrize(("count", "parts"), [(5, 1), (2 * 128, 2), (COUNT, 3)])
def test_the_parts_are_the_whole_in_order(client: Any, count: int, parts: int) -> None:
    paths = filled(client, count)
    found = list(client.collection_group("g").get_partitions(10))
    assert len(found) == parts
    seen = [[one.reference.path for one in part.query().stream()] for part in found]
    assert [path for part in seen for path in part] == paths
    assert min(map(len, seen)) >= min(count, 128)


def request_of(client: Any, **asked: Any) -> dict[str, Any]:
    selector = {"collection_id": "g", "all_descendants": True}
    order = {"field": {"field_path": "__name__"}, "direction": 1}
    whole = {"from_": [selector], "order_by": [order]} | asked
    return {
        "parent": f"projects/{client.project}/databases/(default)/documents",
        "structured_query": query.StructuredQuery(whole),
        "partition_count": 5,
    }


def test_cursors_come_in_pages(client: Any) -> None:
    filled(client, COUNT)
    api = client._firestore_api
    whole = list(api.partition_query(request_of(client), timeout=20))
    paged = api.partition_query(request_of(client) | {"page_size": 1}, timeout=20)
    assert [len(page.partitions) for page in paged.pages] == [1, 1]
    assert len(whole) == 2
    two = api.partition_query(request_of(client) | {"partition_count": 1}, timeout=20)
    assert len(list(two)) == 1


@pytest.mark.parametrize(
    ("asked", "beside"),
    [
        ({"limit": 5}, {}),
        ({"offset": 1}, {}),
        ({"from_": [{"collection_id": "g"}]}, {}),
        ({"order_by": [{"field": {"field_path": "a"}}]}, {}),
        ({}, {"partition_count": 0}),
        ({}, {"page_size": -1}),
        ({}, {"page_token": "none"}),
    ],
)
def test_what_cannot_be_cut_is_refused(
    client: Any, asked: dict[str, Any], beside: dict[str, Any]
) -> None:
    request = request_of(client, **asked) | beside
    with pytest.raises(exceptions.InvalidArgument):
        client._firestore_api.partition_query(request, timeout=20)


def test_of_a_batch_the_missing_come_last(client: Any) -> None:
    for identity in ("a", "c"):
        client.document(f"g/{identity}").set({"a": 1})
    found = client.get_all([client.document(f"g/{one}") for one in ("a", "b", "c")])
    assert [(one.id, one.exists) for one in found] == [("a", True), ("c", True), ("b", False)]

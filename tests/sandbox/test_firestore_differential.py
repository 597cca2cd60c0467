"""Random operations on the embedded Firestore and on Google's emulator, compared answer by answer.

Stamps are compared by the order in which they first appear, everything else as it is, the wording
of errors included. What is known to differ is in `emonk_ops.sandbox.firestore.differences`.
EMONK_DIFFERENTIAL_OPERATIONS=20000 makes the run longer.
"""

from __future__ import annotations

import math
import os
import sys
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.types import query
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.tick.emulator import Emulator
from tests.sandbox.firestore_operations import operations
from tests.sandbox.firestore_store import Document, Store, fill, mask_of, query_of, write_of

Operator = query.StructuredQuery.FieldFilter.Operator
OPERATIONS = int(os.environ.get("EMONK_DIFFERENTIAL_OPERATIONS", "0"))
STEPS = 20
EXAMPLES = OPERATIONS // STEPS if OPERATIONS else 60
BREAK = "\n-- and then --\n"


def perform(store: Store, operation: Any) -> str:
    match operation:
        case ("commit", given):
            return committed(store, given)
        case ("batch write", given):
            made = [write_of(store, one) for one in given]
            answers, said = store.ask("BatchWrite", database=store.database, writes=made)
            learned(store, given, answers)
            return said
        case ("get", path, mask):
            return store.ask("GetDocument", name=store.name(path), **mask_of(mask))[1]
        case ("batch get", found, mask):
            asked = [store.name(path) for path in found]
            content = {"database": store.database, "documents": asked, **mask_of(mask)}
            return by_name(store.ask("BatchGetDocuments", **content)[1])
        case ("create", path, body):
            parent, _, identity = path.rpartition("/")
            above, _, collection = parent.rpartition("/")
            made = Document()
            fill(store, made.fields, body)
            return store.ask(
                "CreateDocument",
                parent=store.name(above),
                collection_id=collection,
                document_id=identity,
                document=made,
            )[1]
        case ("update", path, body, mask, condition):
            made = write_of(store, ("update", path, body, mask, [], condition))
            content = {"document": made.update, "current_document": made.current_document}
            if mask is not None:
                content["update_mask"] = made.update_mask
            return store.ask("UpdateDocument", **content)[1]
        case ("remove", path, condition):
            made = write_of(store, ("delete", path, condition))
            content = {"name": made.delete, "current_document": made.current_document}
            return store.ask("DeleteDocument", **content)[1]
    return perform_read(store, operation)


def perform_read(store: Store, operation: Any) -> str:
    match operation:
        case ("list", path, size, missing):
            return listed(store, path, size, missing)
        case ("collections", path):
            return store.ask("ListCollectionIds", parent=store.name(path))[1]
        case ("query", given):
            content = {"parent": store.name(given["parent"])}
            return store.ask("RunQuery", structured_query=query_of(store, given), **content)[1]
        case ("aggregate", given, wanted):
            asked = query.StructuredAggregationQuery.pb()()
            asked.structured_query.CopyFrom(query_of(store, given))
            for number, (kind, operand) in enumerate(wanted):
                one = asked.aggregations.add(alias=f"n{number}")
                if kind != "count":
                    getattr(one, kind).field.field_path = operand
                    continue
                one.count.SetInParent()
                if operand is not None:
                    one.count.up_to.value = operand
            content = {"parent": store.name(given["parent"])}
            name = "RunAggregationQuery"
            return store.ask(name, structured_aggregation_query=asked, **content)[1]
        case ("transaction", found, given):
            begun = begin(store, {"read_write": {}})
            said = [
                store.ask("GetDocument", name=store.name(path), transaction=begun)[1]
                for path in found
            ]
            said.append(committed(store, given, transaction=begun))
            said.append(committed(store, given, transaction=begun))
            return BREAK.join(said)
        case ("snapshot", path, given, asked):
            begun = begin(store, {"read_only": {}})
            said = [committed(store, [given])]
            place = {"parent": store.name(asked["parent"]), "transaction": begun}
            found = query_of(store, asked)
            said.append(store.ask("GetDocument", name=store.name(path), transaction=begun)[1])
            said.append(store.ask("RunQuery", structured_query=found, **place)[1])
            ended = store.ask("Rollback", database=store.database, transaction=begun)[1]
            return BREAK.join([*said, ended])
    raise AssertionError(operation)


def begin(store: Store, options: dict[str, Any]) -> bytes:
    answers, _ = store.ask("BeginTransaction", database=store.database, options=options)
    return bytes(answers[0].transaction)


def committed(store: Store, given: list[Any], **content: Any) -> str:
    made = [write_of(store, one) for one in given]
    answers, said = store.ask("Commit", database=store.database, writes=made, **content)
    learned(store, given, answers)
    return said


def learned(store: Store, given: list[Any], answers: Any) -> None:
    for one, result in zip(given, answers[0].write_results if answers else (), strict=False):
        store.learn(one[1], result.update_time)


def by_name(said: str) -> str:
    """Answers to a batch of names come in any order."""
    return "\n".join(sorted(said.split("\n"))) if "missing" in said else said


def listed(store: Store, path: str, size: int, missing: bool) -> str:
    """All pages of a list."""
    parent, _, collection = path.rpartition("/")
    content: dict[str, Any] = {"parent": store.name(parent), "collection_id": collection}
    said, token = [], ""
    while True:
        answers, words = store.ask(
            "ListDocuments", page_size=size, page_token=token, show_missing=missing, **content
        )
        if words:  # a full page may be followed by one without documents
            said.append(words)
        token = answers[0].next_page_token if answers else ""
        if not token:
            return "\n".join(said)


def refused(said: str) -> bool:
    """As a request that cannot be answered, whatever is stored."""
    return said.startswith("INVALID_ARGUMENT") or "key scan" in said


def alike(store: Store, step: Any, ours: str, theirs: str) -> bool:
    """Whether the answers are the same, but for what is listed as a known difference."""
    ours_said, theirs_said = ours.split(BREAK), theirs.split(BREAK)
    return len(ours_said) == len(theirs_said) and all(
        one == other
        or "This query requires an index" in other
        or (refused(one) and (refused(other) or never_holds(store, step)))
        for one, other in zip(ours_said, theirs_said, strict=True)
    )


def never_holds(store: Store, step: Any) -> bool:
    """Whether a query of the step has a comparison that no document can satisfy."""
    asked = [part for part in step if isinstance(part, dict) and "where" in part]
    return any(_hopeless(query_of(store, one).where) for one in asked if one["where"] is not None)


def _hopeless(where: Any) -> bool:
    if where.HasField("composite_filter"):
        return any(_hopeless(one) for one in where.composite_filter.filters)
    value, operator = where.field_filter.value, Operator(where.field_filter.op).name
    values = value.array_value.values
    if operator.startswith(("LESS", "GREATER")):
        return _nothing(value)
    if operator == "NOT_IN":
        return any(_nothing(one) for one in values)
    return operator in ("IN", "ARRAY_CONTAINS_ANY") and all(_nothing(one) for one in values)


def _nothing(value: Any) -> bool:
    return value.HasField("null_value") or math.isnan(value.double_value)


@pytest.mark.timeout(3600)
def test_random_operations_are_answered_as_google_s_emulator_answers_them(
    firestore_emulator: Emulator, firestore_embedded: Endpoint
) -> None:
    asked = 0

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=not OPERATIONS,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(operations, min_size=STEPS, max_size=STEPS))
    def compare(steps: list[Any]) -> None:
        nonlocal asked
        ours, theirs = Store(embedded), Store(google)
        for step in steps:
            asked += 1
            said = perform(ours, step), perform(theirs, step)
            assert alike(ours, step, *said), (step, *said)

    with (
        grpc.insecure_channel(firestore_embedded.grpc) as embedded,
        grpc.insecure_channel(firestore_emulator.address) as google,
    ):
        compare()
    assert asked >= EXAMPLES * STEPS // 2
    sys.stdout.write(f"{asked} operations compared\n")

"""PartitionQuery: names at which a collection group can be cut into parts of about one size."""

from __future__ import annotations

import base64
from typing import Any

from google.cloud.firestore_v1.types import firestore

from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import NAME
from emonk_ops.sandbox.firestore.query_plan import Order, Plan, plan_of
from emonk_ops.sandbox.firestore.query_run import run
from emonk_ops.sandbox.firestore.state import Reading

LEAST_DOCUMENTS = 128
"""Of a part, as Google's system tests of its clients know it."""
PartitionQueryResponse = firestore.PartitionQueryResponse.pb()


def plan_to_cut(parent: str, request: Any) -> Plan:
    """Raises Refusal for what is no collection group by name, or no count of parts."""
    if request.partition_count <= 0:
        raise invalid("partition_count must be greater than zero.")
    if request.page_size < 0:
        raise invalid("page_size must be greater than or equal to zero.")
    plan = plan_of(parent, request.structured_query)
    bare = plan.limit is None and not plan.offset and plan.start is None and plan.end is None
    by_name = plan.orders == (Order(NAME, False),) and not plan.filters.conjuncts
    if not (plan.descendants and bare and by_name):
        raise invalid(
            "A query to partition has all descendants of a collection, ordered by __name__"
            " ascending, without filters, limit, offset and cursors."
        )
    return plan


def partitioned(reading: Reading, plan: Plan, request: Any) -> Any:
    """A page of cursors, at most `partition_count` in all. Raises Refusal."""
    found = run(reading.database, plan, reading.at)
    parts = max(1, min(request.partition_count + 1, len(found) // LEAST_DOCUMENTS))
    cuts = [found[number * len(found) // parts] for number in range(1, parts)]
    begin = _number_in(request.page_token) if request.page_token else 0
    end = begin + (request.page_size or len(cuts))
    response = PartitionQueryResponse()
    for stored in cuts[begin:end]:
        cursor = response.partitions.add(before=True)
        cursor.values.add().reference_value = stored.message.name
    if end < len(cuts):
        response.next_page_token = base64.urlsafe_b64encode(str(end).encode()).decode()
    return response


def _number_in(token: str) -> int:
    try:
        number = int(base64.urlsafe_b64decode(token))
    except ValueError as problem:
        raise invalid("invalid page token") from problem
    if number < 0:
        raise invalid("invalid page token")
    return number

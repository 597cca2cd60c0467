"""The queries that the storage asks of Firestore; each needs one single-field index at most."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.cloud.firestore_v1.types import query

from emonk_ops.tick.storage import DueAfter
from emonk_ops.tick.storage.firestore_documents import put_time

COLLECTION = "scheduler_jobs"
Query = query.StructuredQuery.pb()
Operator = query.StructuredQuery.FieldFilter.Operator
ASCENDING = query.StructuredQuery.Direction.ASCENDING


def due_query(jobs: str, until: datetime, limit: int, after: DueAfter | None) -> Any:
    """Jobs due at or before `until`, by due time and id; `jobs` is the collection's full name."""
    asked = _jobs_query(limit)
    _where(asked, "due_at", Operator.LESS_THAN_OR_EQUAL, until)
    _order(asked, "due_at", "__name__")
    if after is not None:
        put_time(asked.start_at.values.add(), after.due_at)
        asked.start_at.values.add().reference_value = jobs + after.job_id
    return asked


def id_query(jobs: str, limit: int, after: str | None) -> Any:
    """Jobs by id, beginning behind the id `after`."""
    asked = _jobs_query(limit)
    _order(asked, "__name__")
    if after is not None:
        asked.start_at.values.add().reference_value = jobs + after
    return asked


def lease_query(now: datetime) -> Any:
    """Jobs whose lease ends later than `now`."""
    asked = _jobs_query(None)
    _where(asked, "lease_until", Operator.GREATER_THAN, now)
    return asked


def _jobs_query(limit: int | None) -> Any:
    asked = Query()
    asked.from_.add(collection_id=COLLECTION)
    if limit is not None:
        asked.limit.value = limit
    return asked


def _where(asked: Any, field: str, operator: Any, moment: datetime) -> None:
    condition = asked.where.field_filter
    condition.field.field_path = field
    condition.op = int(operator)
    put_time(condition.value, moment)


def _order(asked: Any, *fields: str) -> None:
    for field in fields:
        order = asked.order_by.add(direction=int(ASCENDING))
        order.field.field_path = field

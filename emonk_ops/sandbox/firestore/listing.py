"""ListDocuments and ListCollectionIds: what is there, in pages."""

from __future__ import annotations

import base64
import re
from typing import Any

from google.cloud.firestore_v1.types import firestore, query

from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import NAME, Path, parse_path, value_at
from emonk_ops.sandbox.firestore.ordering import Key, name_key
from emonk_ops.sandbox.firestore.query_plan import Plan, plan_of
from emonk_ops.sandbox.firestore.state import Reading

DEFAULT_PAGE = 300
MOST_IDS = 10_000
StructuredQuery = query.StructuredQuery.pb()
ListCollectionIdsResponse = firestore.ListCollectionIdsResponse.pb()
_CLAUSE = re.compile(r"\s*(\S+?)(?:\s+(asc|desc))?\s*", re.IGNORECASE)


def page_size_of(request: Any) -> int:
    """Raises Refusal."""
    if request.page_size < 0:
        raise invalid("Page size must be nonnegative.")
    return request.page_size or DEFAULT_PAGE


def query_of(request: Any) -> Any:
    """The StructuredQuery of a ListDocumentsRequest, from its page token on. Raises Refusal."""
    asked = StructuredQuery()
    asked.from_.add(collection_id=request.collection_id)
    last = 1
    for clause in request.order_by.split(",") if request.order_by else ():
        found = _CLAUSE.fullmatch(clause)
        if found is None:
            raise invalid(f'Invalid order by clause "{request.order_by}".')
        last = 2 if (found[2] or "").lower() == "desc" else 1
        order = asked.order_by.add(direction=last)
        order.field.field_path = found[1]
    if not any(parse_path(one.field.field_path) == NAME for one in asked.order_by):
        name = asked.order_by.add(direction=last)
        name.field.field_path = "__name__"
    if request.page_token:
        asked.start_at.CopyFrom(_cursor_in(request.page_token))
    return asked


def plan_to_list(request: Any, parent: str, asked: Any) -> Plan:
    """The plan of one page, and one document more to know whether it is the last."""
    plan = plan_of(parent, asked)
    plan.limit = page_size_of(request) + 1
    return plan


def token_after(asked: Any, document: Any) -> str:
    """The token of the page that begins behind `document`."""
    cursor = query.Cursor.pb()()
    for order in asked.order_by:
        path = parse_path(order.field.field_path)
        if path == NAME:
            cursor.values.add().reference_value = document.name
        else:
            cursor.values.add().CopyFrom(value_at(document.fields, path))
    return base64.urlsafe_b64encode(cursor.SerializeToString()).decode()


def _cursor_in(token: str) -> Any:
    try:
        cursor = query.Cursor.pb().FromString(base64.urlsafe_b64decode(token))
    except Exception as problem:  # the parser of protobuf has errors of its own
        raise invalid("invalid page token") from problem
    if not cursor.values:
        raise invalid("invalid page token")
    return cursor


def missing_documents(
    reading: Reading, parent: str, collection: str, after: Key, size: int
) -> list[str]:
    """Paths of documents that are not there themselves, but have something below them."""
    database, at = reading.database, reading.at
    prefix = f"{parent}/{collection}/" if parent else f"{collection}/"
    found = set()
    for path in database.collections:
        if path.startswith(prefix) and database.holds(path, at):
            document = prefix + path[len(prefix) :].partition("/")[0]
            if name_key(document) > after and database.get(document, at) is None:
                found.add(document)
    return sorted(found, key=name_key)[:size]


def collection_ids(reading: Reading, parent: str, request: Any) -> Any:
    """The ids of all collections directly below a document. Raises Refusal."""
    if request.page_size < 0:
        raise invalid("page_size must be greater than or equal to zero.")
    prefix = f"{parent}/" if parent else ""
    found = {
        path[len(prefix) :].partition("/")[0]
        for path in reading.database.collections
        if path.startswith(prefix) and reading.database.holds(path, reading.at)
    }
    after = _id_in(request.page_token) if request.page_token else ""
    ids = sorted(one for one in found if one > after)
    size = request.page_size or MOST_IDS
    response = ListCollectionIdsResponse(collection_ids=ids[:size])
    if len(ids) > size:
        response.next_page_token = base64.urlsafe_b64encode(
            b"\x0a" + ids[size - 1].encode()
        ).decode()
    return response


def _id_in(token: str) -> str:
    try:
        raw = base64.urlsafe_b64decode(token)
        if raw[:1] != b"\x0a":
            raise ValueError(token)
        return raw[1:].decode()
    except ValueError as problem:
        raise invalid("invalid page token") from problem


def masks_of(request: Any) -> tuple[Path, ...] | None:
    """The field mask of a read, None where all fields are wanted. Raises Refusal."""
    if not request.HasField("mask"):
        return None
    return tuple(parse_path(path) for path in request.mask.field_paths)

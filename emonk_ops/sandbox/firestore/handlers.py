"""The methods of google.firestore.v1.Firestore: raw requests in, raw answers out."""

from __future__ import annotations

import random
import string
from collections.abc import AsyncIterator
from typing import Any

from google.cloud.firestore_v1.types import firestore, write
from google.protobuf import empty_pb2

from emonk_ops.sandbox.firestore import errors, listing
from emonk_ops.sandbox.firestore.aggregation import aggregate, aggregations_of, check_mask
from emonk_ops.sandbox.firestore.committing import batch_write, commit
from emonk_ops.sandbox.firestore.disk import Document
from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.field_paths import Path
from emonk_ops.sandbox.firestore.listening import listen
from emonk_ops.sandbox.firestore.names import (
    check_collection_id,
    check_document_id,
    database_of,
    document_of,
    parent_of,
)
from emonk_ops.sandbox.firestore.ordering import name_key
from emonk_ops.sandbox.firestore.partitioning import (
    partitioned,
    plan_to_cut,
)
from emonk_ops.sandbox.firestore.query_plan import plan_of
from emonk_ops.sandbox.firestore.query_run import run
from emonk_ops.sandbox.firestore.showing import cut, shown
from emonk_ops.sandbox.firestore.stamps import put_stamp
from emonk_ops.sandbox.firestore.state import Databases

BatchGetDocumentsResponse = firestore.BatchGetDocumentsResponse.pb()
BeginTransactionResponse = firestore.BeginTransactionResponse.pb()
ListDocumentsResponse = firestore.ListDocumentsResponse.pb()
RunAggregationQueryResponse = firestore.RunAggregationQueryResponse.pb()
RunQueryResponse = firestore.RunQueryResponse.pb()
WriteMessage = write.Write.pb()
_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 20


class FirestoreMethods:
    """Each method raises Refusal for what the API refuses; streams are async iterators."""

    def __init__(self, databases: Databases, rng: random.Random) -> None:
        self._databases = databases
        self._rng = rng

    async def get_document(self, request: Any) -> Any:
        name, path = document_of(request.name)
        mask = listing.masks_of(request)
        database = self._databases.database(name)
        reading = await self._databases.reading(request, database)
        await reading.lock([path])
        stored = database.get(path, reading.at)
        database.clock.read()
        if stored is None:
            raise errors.not_found(request.name)
        return shown(stored, mask)

    async def batch_get_documents(self, request: Any) -> AsyncIterator[Any]:
        database = self._databases.database(database_of(request.database))
        mask = listing.masks_of(request)
        paths = {}
        for name in request.documents:
            found, path = document_of(name)
            if found != database.name:
                raise invalid(f'Document name "{name}" is not in {request.database}.')
            paths[path] = name
        reading = await self._databases.reading(request, database)
        await reading.lock(list(paths))
        moment = reading.moment()
        held = {path: database.get(path, reading.at) for path in paths}
        if reading.begun:
            yield BatchGetDocumentsResponse(transaction=reading.begun)
        # The platform tells what is missing last, as Google's system tests have it.
        for path, stored in sorted(held.items(), key=lambda one: one[1] is None):
            response = BatchGetDocumentsResponse()
            if stored is None:
                response.missing = paths[path]
            else:
                response.found.CopyFrom(shown(stored, mask))
            put_stamp(response.read_time, moment)
            yield response

    async def create_document(self, request: Any) -> Any:
        name, parent = parent_of(request.parent)
        if not request.collection_id:
            raise invalid("collectionId is the empty string.")
        check_collection_id(request.collection_id)
        if request.document.name:
            raise invalid("document.name must not be set")
        identity = request.document_id or self._new_id()
        check_document_id(identity)
        path = "/".join(part for part in (parent, request.collection_id, identity) if part)
        made = _update(f"{name.root}/{path}", request.document)
        made.current_document.exists = False
        return await self._written(made, listing.masks_of(request))

    async def update_document(self, request: Any) -> Any:
        made = _update(request.document.name, request.document)
        if request.HasField("update_mask"):
            made.update_mask.CopyFrom(request.update_mask)
        if request.HasField("current_document"):
            made.current_document.CopyFrom(request.current_document)
        return await self._written(made, listing.masks_of(request))

    async def delete_document(self, request: Any) -> Any:
        made = WriteMessage(delete=request.name)
        if request.HasField("current_document"):
            made.current_document.CopyFrom(request.current_document)
        database = self._databases.database(document_of(request.name)[0])
        await commit(self._databases, database, [made])
        return empty_pb2.Empty()

    async def list_documents(self, request: Any) -> Any:
        name, parent = parent_of(request.parent)
        mask = listing.masks_of(request)
        if request.show_missing and request.order_by:
            raise invalid("cannot specify an order when show_missing is true")
        asked = listing.query_of(request)
        plan = listing.plan_to_list(request, parent, asked)
        size = listing.page_size_of(request)
        database = self._databases.database(name)
        reading = await self._databases.reading(request, database)
        await reading.lock_range(parent, request.collection_id, descendants=False)
        found = [stored.message for stored in run(database, plan, reading.at)]
        if request.show_missing:
            after = plan.start.keys[0] if plan.start is not None else ()
            missing = listing.missing_documents(
                reading, parent, request.collection_id, after, size + 1
            )
            found += [Document(name=f"{name.root}/{path}") for path in missing]
            found.sort(key=lambda message: name_key(message.name))
        database.clock.read()
        response = ListDocumentsResponse()
        response.documents.extend(cut(message, mask) for message in found[:size])
        if len(found) > size:
            response.next_page_token = listing.token_after(asked, found[size - 1])
        return response

    async def list_collection_ids(self, request: Any) -> Any:
        name, parent = parent_of(request.parent)
        database = self._databases.database(name)
        reading = await self._databases.reading(request, database)
        return listing.collection_ids(reading, parent, request)

    async def partition_query(self, request: Any) -> Any:
        name, parent = parent_of(request.parent)
        plan = plan_to_cut(parent, request)
        reading = await self._databases.reading(request, self._databases.database(name))
        return partitioned(reading, plan, request)

    async def begin_transaction(self, request: Any) -> Any:
        database = self._databases.database(database_of(request.database))
        begun = self._databases.transactions.begin(database, request.options)
        return BeginTransactionResponse(transaction=begun.id)

    async def commit(self, request: Any) -> Any:
        database = self._databases.database(database_of(request.database))
        return await commit(self._databases, database, request.writes, request.transaction)

    async def rollback(self, request: Any) -> Any:
        database_of(request.database)
        self._databases.transactions.roll_back(request.transaction)
        return empty_pb2.Empty()

    async def batch_write(self, request: Any) -> Any:
        database = self._databases.database(database_of(request.database))
        return await batch_write(self._databases, database, request.writes)

    async def run_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = parent_of(request.parent)
        plan = plan_of(parent, request.structured_query)
        database = self._databases.database(name)
        reading = await self._databases.reading(request, database)
        await reading.lock_range(parent, plan.collection, descendants=plan.descendants)
        moment = reading.moment()
        found = run(database, plan, reading.at)
        if reading.begun:
            yield RunQueryResponse(transaction=reading.begun)
        response = RunQueryResponse(skipped_results=plan.offset if found else 0)
        put_stamp(response.read_time, moment)
        last = len(found) - 1
        for number, stored in enumerate(found):
            response.document.CopyFrom(shown(stored, plan.projection))
            if number == last:
                response.done = True
            yield response
            response = RunQueryResponse()
            put_stamp(response.read_time, moment)
        if not found:
            response.done = True
            yield response

    async def run_aggregation_query(self, request: Any) -> AsyncIterator[Any]:
        name, parent = parent_of(request.parent)
        asked = request.structured_aggregation_query
        aggregations = aggregations_of(asked)
        check_mask(aggregations, asked.structured_query)
        fields = [one.path for one in aggregations if one.path is not None]
        plan = plan_of(parent, asked.structured_query, fields)
        database = self._databases.database(name)
        reading = await self._databases.reading(request, database)
        await reading.lock_range(parent, plan.collection, descendants=plan.descendants)
        moment = reading.moment()
        response = RunAggregationQueryResponse()
        aggregate(aggregations, run(database, plan, reading.at), response.result.aggregate_fields)
        put_stamp(response.read_time, moment)
        if reading.begun:
            yield RunAggregationQueryResponse(transaction=reading.begun)
        yield response

    async def listen(self, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
        first = await anext(requests, None)
        if first is None:
            return
        database = self._databases.database(database_of(first.database))
        async for response in listen(database, first, requests):
            yield response

    async def _written(self, made: Any, mask: tuple[Path, ...] | None) -> Any:
        name, path = document_of(made.update.name)
        database = self._databases.database(name)
        await commit(self._databases, database, [made])
        stored = database.get(path)
        assert stored is not None
        return shown(stored, mask)

    def _new_id(self) -> str:
        return "".join(self._rng.choices(_LETTERS, k=_ID_LENGTH))


def _update(name: str, given: Any) -> Any:
    made = WriteMessage()
    made.update.CopyFrom(given)
    made.update.name = name
    return made

"""The calls to Firestore, each with its own time-out, on the raw stubs of Google's async client.

The client's own wrappers would retry a commit for a minute and a query for five, and cost more time
than the work itself. Here a read is tried again; a write is not, because only a read can tell what
became of one whose answer was lost.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import google.auth
import grpc
from google.auth.exceptions import GoogleAuthError
from google.cloud.firestore_v1.services.firestore.transports.grpc import FirestoreGrpcTransport
from google.cloud.firestore_v1.services.firestore.transports.grpc_asyncio import (
    FirestoreGrpcAsyncIOTransport,
)
from google.cloud.firestore_v1.types import firestore

from emonk_ops.tick.billing import charge
from emonk_ops.tick.clock import real_seconds
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.storage.firestore_documents import time_of
from emonk_ops.tick.storage.firestore_reader import IN_THE_READING_THREAD, QueryReader, RunQuery

T = TypeVar("T")
SERVICE = "/google.firestore.v1.Firestore/"
READ_TRIES = 3
FIRST_PAUSE_SECONDS = 0.1
TRANSIENT = frozenset(
    {"UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN"}
)
HINTS = {
    "PERMISSION_DENIED": "The service account needs roles/datastore.user in this project.",
    "UNAUTHENTICATED": "The service needs credentials: gcloud auth application-default login, "
    "or a service account on Cloud Run.",
    "NOT_FOUND": "Is there a database? gcloud firestore databases create --location=REGION",
    "FAILED_PRECONDITION": "The database must be in native mode, with the indexes of "
    "firestore.indexes.json.",
}
# A connection that broke is tried again within two seconds, not within two minutes.
CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

BatchGet = firestore.BatchGetDocumentsRequest.pb()
RunAggregation = firestore.RunAggregationQueryRequest.pb()
BatchWrite = firestore.BatchWriteRequest.pb()
Commit = firestore.CommitRequest.pb()
Rollback = firestore.RollbackRequest.pb()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Real seconds that one attempt at a call may take; the attempts at a read, twice as long."""

    read: float = 4.0
    write: float = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """A database, and the emulator that stands for Firestore ("" for the real one)."""

    project: str
    database: str = "(default)"
    emulator: str = ""

    @property
    def name(self) -> str:
        return f"projects/{self.project}/databases/{self.database}"

    @property
    def documents(self) -> str:
        return f"{self.name}/documents"


class FirestoreCalls:
    """One connection. Every call raises StorageError; `counts` has the attempts by method."""

    def __init__(self, place: Place, rng: random.Random, timeouts: Timeouts | None = None) -> None:
        self.place = place
        self.counts: Counter[str] = Counter()
        self.timeouts = timeouts or Timeouts()
        self._rng = rng
        self._channel: grpc.aio.Channel | None = None
        self._reader: QueryReader | None = None
        self._stubs: dict[str, Callable[..., Any]] = {}
        self._metadata = (
            ("google-cloud-resource-prefix", place.name),
            ("x-goog-request-params", f"database={quote(place.name)}"),
            *((("authorization", "Bearer owner"),) if place.emulator else ()),
        )

    async def open(self) -> None:
        """Connect anew. Raises StorageError where no credentials are found."""
        await self.close()
        self._channel, reading = await self._connected()
        self._reader, channel = QueryReader(reading, self._metadata), self._channel
        for name, request, response in (
            ("BatchGetDocuments", BatchGet, firestore.BatchGetDocumentsResponse.pb()),
            ("RunAggregationQuery", RunAggregation, firestore.RunAggregationQueryResponse.pb()),
        ):
            self._stubs[name] = channel.unary_stream(
                SERVICE + name, request.SerializeToString, response.FromString
            )
        for name, request, parse in (
            ("BatchWrite", BatchWrite, firestore.BatchWriteResponse.pb().FromString),
            ("Commit", Commit, firestore.CommitResponse.pb().FromString),
            ("Rollback", Rollback, None),
        ):
            self._stubs[name] = channel.unary_unary(
                SERVICE + name, request.SerializeToString, parse
            )

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        reader, self._reader = self._reader, None
        self._stubs.clear()
        if reader is not None:
            reader.close()
        if channel is not None:
            await channel.close(grace=None)

    async def get(self, names: Sequence[str]) -> tuple[dict[str, Any], datetime]:
        """The documents of these full names that exist, and the store's clock."""
        request = BatchGet(database=self.place.name, documents=names)
        answers = await self._read("BatchGetDocuments", request)
        charge(reads=len(names))
        found = [answer.found for answer in answers if answer.HasField("found")]
        return {document.name: document for document in found}, _read_time(answers)

    async def get_locked(self, name: str, retried: bytes) -> tuple[bytes, Any | None]:
        """Begin a transaction that reads this document: its id, and the document if it exists."""
        request = BatchGet(database=self.place.name, documents=[name])
        request.mask.field_paths.append("__name__")
        request.new_transaction.read_write.retry_transaction = retried
        answers = await self._streamed("BatchGetDocuments", request, self.timeouts.write)
        charge(reads=1)
        transaction, document = b"", None
        for answer in answers:
            transaction = transaction or answer.transaction
            document = answer.found if answer.HasField("found") else document
        return transaction, document

    async def query(self, query: Any) -> tuple[list[Any], datetime]:
        """The documents a StructuredQuery finds, and the store's clock when it was asked."""
        request = RunQuery(parent=self.place.documents, structured_query=query)
        answers = await self._read("RunQuery", request)
        documents = [one.document for one in answers if one.HasField("document")]
        charge(reads=max(1, len(documents)))
        return documents, _read_time(answers)

    async def count(self, query: Any) -> int:
        """How many documents a StructuredQuery would find."""
        request = RunAggregation(parent=self.place.documents)
        aggregation = request.structured_aggregation_query
        aggregation.structured_query.CopyFrom(query)
        aggregation.aggregations.add(alias="n").count.SetInParent()
        for answer in await self._read("RunAggregationQuery", request):
            if answer.HasField("result"):
                return int(answer.result.aggregate_fields["n"].integer_value)
        raise _no_answer("RunAggregationQuery")

    async def batch_write(self, writes: Iterable[Any]) -> Any:
        """A BatchWriteResponse: each write won or lost by itself."""
        request = BatchWrite(database=self.place.name, writes=writes)
        charge(writes=len(request.writes))
        return await self._once("BatchWrite", request)

    async def commit(self, writes: Iterable[Any], transaction: bytes) -> Any:
        """A CommitResponse: all writes or none, while the transaction holds its locks."""
        request = Commit(database=self.place.name, writes=writes, transaction=transaction)
        charge(writes=len(request.writes))
        return await self._once("Commit", request)

    async def rollback(self, transaction: bytes) -> None:
        """Give the locks of a transaction back."""
        await self._once("Rollback", Rollback(database=self.place.name, transaction=transaction))

    async def pause(self, seconds: float) -> None:
        """Real time between two attempts, stretched at random so that rivals part."""
        await asyncio.sleep(seconds * (1 + self._rng.random()))

    async def _read(self, method: str, request: Any) -> list[Any]:
        give_up = real_seconds() + 2 * self.timeouts.read
        for attempt in range(1, READ_TRIES):
            try:
                return await self._streamed(method, request, self.timeouts.read)
            except StorageError as error:
                if not error.transient or give_up - real_seconds() < FIRST_PAUSE_SECONDS:
                    raise
            await self.pause(FIRST_PAUSE_SECONDS * attempt)
        left = max(FIRST_PAUSE_SECONDS, give_up - real_seconds())
        return await self._streamed(method, request, min(left, self.timeouts.read))

    async def _streamed(self, method: str, request: Any, timeout: float) -> list[Any]:
        if method == "RunQuery":
            return await self._translated(method, self._opened_reader().read(request, timeout))

        async def collected() -> list[Any]:
            call = self._stub(method)(request, timeout=timeout, metadata=self._metadata)
            return [answer async for answer in call]

        return await self._translated(method, collected())

    async def _once(self, method: str, request: Any) -> Any:
        call = self._stub(method)
        timeout = self.timeouts.write
        return await self._translated(
            method, call(request, timeout=timeout, metadata=self._metadata)
        )

    async def _translated(self, method: str, call: Awaitable[T]) -> T:
        self.counts[method] += 1
        try:
            return await call
        except grpc.RpcError as error:
            code = error.code().name
            raise StorageError(
                f"Firestore's {method} in {self._where}: {code}, {error.details()}",
                code=code,
                transient=code in TRANSIENT,
                hint=HINTS.get(code, ""),
            ) from error

    @property
    def _where(self) -> str:
        place = self.place
        return f"{place.name} on the emulator {place.emulator}" if place.emulator else place.name

    def _stub(self, method: str) -> Callable[..., Any]:
        if self._channel is None:
            raise _not_open()
        return self._stubs[method]

    def _opened_reader(self) -> QueryReader:
        if self._reader is None:
            raise _not_open()
        return self._reader

    async def _connected(self) -> tuple[grpc.aio.Channel, grpc.Channel]:
        """The connection of all calls, and the one over which queries are read."""
        reading = (*CHANNEL_OPTIONS, IN_THE_READING_THREAD)
        if emulator := self.place.emulator:
            channel = grpc.aio.insecure_channel(emulator, CHANNEL_OPTIONS)
            return channel, grpc.insecure_channel(emulator, reading)
        transport = FirestoreGrpcAsyncIOTransport
        try:
            # Looking for credentials may ask the metadata server, and blocks.
            credentials, _ = await asyncio.to_thread(google.auth.default, transport.AUTH_SCOPES)
        except GoogleAuthError as error:
            raise StorageError(
                f"Firestore in {self.place.name}: {error}",
                code="UNAUTHENTICATED",
                transient=False,
                hint=HINTS["UNAUTHENTICATED"],
            ) from error
        host = f"{transport.DEFAULT_HOST}:443"
        return (
            transport.create_channel(host, credentials=credentials, options=CHANNEL_OPTIONS),
            FirestoreGrpcTransport.create_channel(host, credentials=credentials, options=reading),
        )


def _read_time(answers: Sequence[Any]) -> datetime:
    times = [answer.read_time for answer in answers if answer.HasField("read_time")]
    if not times:
        raise _no_answer("read")
    return time_of(times[-1])


def _not_open() -> StorageError:
    return StorageError("Firestore is not open.", code="FAILED_PRECONDITION", transient=False)


def _no_answer(method: str) -> StorageError:
    return StorageError(
        f"Firestore's answer to {method} had no content.", code="INTERNAL", transient=True
    )

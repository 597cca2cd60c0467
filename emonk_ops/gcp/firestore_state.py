"""An environment's state in Firestore: its own documents below `emonk_ops/KEY`, by compare-and-set.

A write carries a precondition, so that trying it again after a lost answer applies it once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from threading import Event
from typing import Any, TypeVar

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import CloudError, Conflict, NotFound, Unreachable
from emonk_ops.gcp.endpoints import credentials, sandbox_address
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment, Target
from emonk_ops.state_ports import Document, Fields, FieldValue

T = TypeVar("T")
ROOT = "emonk_ops"
ATTEMPT_SECONDS = 3.0
TOTAL_SECONDS = 6.0
PUT_SECONDS = 15.0  # what is put may be large
TRIES = 3
PAUSE_SECONDS = 0.2
PAGE = 500
# A connection that broke is tried again within two seconds, not within two minutes.
CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


class FirestoreDocuments:
    """See `emonk_ops.state_ports.Documents`. `key` names the environment in the database."""

    def __init__(
        self, env: Environment, project: str, database: str, key: str, *, page: int = PAGE
    ) -> None:
        self._env = env
        self._most = page
        self._database = f"projects/{project}/databases/{database}"
        self._root = f"{self._database}/documents/{ROOT}/{key}"
        self._metadata = (("google-cloud-resource-prefix", self._database),)
        self._named = (project, database)
        self.where = f"firestore:{project}/{database}"

    def close(self) -> None:
        if "_client" in self.__dict__:
            self._client.transport.close()

    def read(self, path: str) -> tuple[Document | None, datetime]:
        request = {"database": self._database, "documents": [f"{self._root}/{path}"]}
        answers = self._read(
            "datastore.entities.get",
            lambda: list(self._client.batch_get_documents(request, **self._options())),
        )
        found = next((answer.found for answer in answers if answer.found.name), None)
        return (_document(found) if found is not None else None), _instant(answers[-1].read_time)

    def read_from(self, collection: str, first: str) -> tuple[tuple[Document, ...], datetime]:
        documents: list[Document] = []
        while True:
            page, read_time = self._page(collection, first, after=bool(documents))
            documents += page
            if len(page) < self._most:
                return tuple(documents), read_time
            first = page[-1].id

    def create(self, path: str, fields: Fields) -> datetime:
        return self._write(path, fields, {"exists": False})

    def replace(self, path: str, fields: Fields, version: datetime) -> datetime:
        from google.api_core import exceptions as google

        try:
            return self._write(path, fields, {"update_time": version})
        except CloudError as error:
            # The document was read before, so it is not the database that is missing.
            if isinstance(error.__cause__, google.FailedPrecondition | google.NotFound):
                raise Conflict(f"{self.where}: {path} was changed by somebody else") from error
            raise

    def put(self, path: str, fields: Fields) -> datetime:
        return self._write(path, fields, None, seconds=PUT_SECONDS)

    def _page(self, collection: str, first: str, *, after: bool) -> tuple[list[Document], datetime]:
        from google.cloud.firestore_v1.types import StructuredQuery

        name = {"reference_value": f"{self._root}/{collection}/{first}"}
        by_name = {"field": {"field_path": "__name__"}, "direction": "ASCENDING"}
        query = StructuredQuery(
            {
                "from_": [{"collection_id": collection}],
                "order_by": [by_name],
                "start_at": {"values": [name], "before": not after},
                "limit": {"value": self._most},
            }
        )
        request = {"parent": self._root, "structured_query": query}
        answers = self._read(
            "datastore.entities.list",
            lambda: list(self._client.run_query(request, **self._options())),
        )
        found = [_document(answer.document) for answer in answers if answer.document.name]
        return found, _instant(answers[-1].read_time)

    def _write(
        self, path: str, fields: Fields, expected: Any, *, seconds: float = ATTEMPT_SECONDS
    ) -> datetime:
        values = {name: _value(value) for name, value in fields.items()}
        write = {"update": {"name": f"{self._root}/{path}", "fields": values}}
        if expected is not None:
            write["current_document"] = expected
        request = {"database": self._database, "writes": [write]}
        answer = self._asked(
            "datastore.entities.update",
            lambda: self._client.commit(request, **self._options(seconds)),
        )
        return _instant(answer.commit_time)

    def _read(self, name: str, call: Callable[[], list[T]]) -> list[T]:
        try:
            return self._asked(name, call)
        except NotFound as error:
            project, database = self._named
            raise NotFound(
                f"{self.where}: there is no such database: {error.message}",
                hint=f"gcloud firestore databases create --project={project} "
                f"--database='{database}' --location=REGION",
            ) from error

    def _asked(self, name: str, call: Callable[[], T]) -> T:
        stopwatch, pause = Stopwatch(), Event()
        for attempt in range(1, TRIES + 1):
            try:
                with translated(name, self._env):
                    return call()
            except Unreachable:
                if attempt == TRIES or stopwatch.seconds + ATTEMPT_SECONDS > TOTAL_SECONDS:
                    raise
            pause.wait(PAUSE_SECONDS * attempt)
        raise AssertionError("the last try returned or raised")

    def _options(self, seconds: float = ATTEMPT_SECONDS) -> dict[str, Any]:
        return {"timeout": seconds, "retry": None, "metadata": self._metadata}

    @cached_property
    def _client(self) -> Any:
        import grpc
        from google.cloud.firestore_v1.services.firestore import FirestoreClient

        transport: Any = FirestoreClient.get_transport_class("grpc")
        if self._env.target is Target.SANDBOX:
            address = sandbox_address(self._env).grpc
            channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)
        else:
            channel = transport.create_channel(
                f"{FirestoreClient.DEFAULT_ENDPOINT}:443",
                credentials=credentials(self._env),
                options=CHANNEL_OPTIONS,
            )
        return FirestoreClient(transport=transport(channel=channel))


def _instant(stamp: datetime) -> datetime:
    """Without the nanoseconds that the library's own kind of instant carries."""
    return datetime.fromisoformat(stamp.isoformat())


def _document(found: Any) -> Document:
    fields = {name: _plain(value) for name, value in found.fields.items()}
    return Document(found.name.rpartition("/")[2], fields, found.update_time)


def _value(value: FieldValue) -> dict[str, Any]:
    kinds = {str: "string_value", bytes: "bytes_value", int: "integer_value"}
    return {kinds.get(type(value), "timestamp_value"): value}


def _plain(value: Any) -> FieldValue:
    """Of a kind that is not ours: the kind's name."""
    kind = value._pb.WhichOneof("value_type")  # which one is set has no other name in proto-plus
    if kind in ("string_value", "bytes_value", "integer_value", "timestamp_value"):
        found: FieldValue = getattr(value, kind)
        return found
    return str(kind)

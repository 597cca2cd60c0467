"""Writes by BatchWrite: many in one call, each with a precondition and an outcome of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import grpc
from google.cloud.firestore_v1.types import write

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.storage import Outcome, Verdict
from emonk_ops.tick.storage.firestore_calls import FirestoreCalls
from emonk_ops.tick.storage.firestore_documents import put_version, version_of
from emonk_ops.tick.storage.together import Together

MOST_WRITES = 500
MOST_BYTES = 8 * 2**20
LOST = ("NOT_FOUND", "ALREADY_EXISTS", "FAILED_PRECONDITION")
CODES = {code.value[0]: code.name for code in grpc.StatusCode}

WriteMessage = write.Write.pb()
# A Write message and the version that it expects; None where nothing must be there.
Expectation = tuple[Any, str | None]


def update_of(name: str, version: str | None) -> Any:
    """A Write of the document `name`, still without fields, that expects `version`."""
    message = WriteMessage()
    message.update.name = name
    if version is None:
        message.current_document.exists = False
    else:
        put_version(message.current_document.update_time, version)
    return message


def deletion_of(name: str, version: str) -> Any:
    """A Write that deletes the document if it still is of that version."""
    message = WriteMessage(delete=name)
    put_version(message.current_document.update_time, version)
    return message


class Batches:
    """Writes in as few calls as Firestore's limits allow, and as callers of one moment need."""

    def __init__(self, calls: FirestoreCalls) -> None:
        self._calls = calls
        self._together = Together(self._write)

    async def write(self, writes: Sequence[Expectation]) -> list[Outcome]:
        """The outcomes in order. Raises StorageError when no call got an answer."""
        return await self._together.write([message for message, _ in writes])

    async def _write(self, messages: Sequence[Any]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        errors: list[StorageError] = []
        groups = list(_groups(messages))
        for group in groups:
            try:
                answer = await self._calls.batch_write(group)
                results = zip(group, answer.status, answer.write_results, strict=True)
                outcomes += [_outcome(status, result) for _, status, result in results]
            except StorageError as error:
                errors.append(error)
                outcomes += [Outcome(Verdict.UNCLEAR, code=error.code)] * len(group)
        if errors and len(errors) == len(groups):
            raise errors[0]
        return outcomes


def _groups(messages: Iterable[Any]) -> Iterator[list[Any]]:
    """The messages in order; Firestore refuses a call that writes a document twice."""
    group: list[Any] = []
    names: set[str] = set()
    size = 0
    for message in messages:
        more, name = message.ByteSize(), message.update.name or message.delete
        full = len(group) == MOST_WRITES or size + more > MOST_BYTES or name in names
        if group and full:
            yield group
            group, names, size = [], set(), 0
        group.append(message)
        names.add(name)
        size += more
    if group:
        yield group


def _outcome(status: Any, result: Any) -> Outcome:
    if status.code == 0:
        return Outcome(Verdict.OK, version_of(result.update_time))
    code = CODES.get(status.code, str(status.code))
    if code in LOST:
        return Outcome(Verdict.CONFLICT, code=code)
    return Outcome(Verdict.UNCLEAR, code=code)

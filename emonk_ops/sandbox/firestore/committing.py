"""Commit and BatchWrite: all writes or none, and each by itself."""

from __future__ import annotations

import asyncio
from typing import Any

from google.cloud.firestore_v1.types import firestore

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.errors import Refusal, invalid
from emonk_ops.sandbox.firestore.stamps import put_stamp
from emonk_ops.sandbox.firestore.state import Databases, check_writable
from emonk_ops.sandbox.firestore.writes import Change, Draft, change_of, check_repeats

CommitResponse = firestore.CommitResponse.pb()
BatchWriteResponse = firestore.BatchWriteResponse.pb()


async def commit(
    databases: Databases, database: Database, writes: Any, transaction: bytes = b""
) -> Any:
    """A CommitResponse. Raises Refusal; the transaction has ended either way."""
    changes = [change_of(write, database.name) for write in writes]
    check_repeats(changes)
    owner = None
    if transaction:
        owner = databases.transactions.use(transaction, database)
        check_writable(owner, writes)
    try:
        locks = databases.locks(database)
        await locks.before_write([change.path for change in changes], owner)
        return _committed(database, changes)
    finally:
        if owner is not None:
            databases.transactions.close(owner)


def _committed(database: Database, changes: list[Change]) -> Any:
    response = CommitResponse()
    if not changes:
        return response
    moment = database.clock.commit()
    draft = Draft(database, moment)
    for change in changes:
        draft.apply(change)
    installs, results = draft.finished()
    if installs:
        database.install(installs)
    response.write_results.extend(results)
    put_stamp(response.commit_time, moment)
    return response


async def batch_write(databases: Databases, database: Database, writes: Any) -> Any:
    """A BatchWriteResponse: a result and a status for each write. Raises Refusal where one of
    them is no write at all, or a document is in it twice.
    """
    changes = [change_of(write, database.name) for write in writes]
    if len({change.path for change in changes}) < len(changes):
        raise invalid("the same document cannot be written more than once in a single request")
    locks = databases.locks(database)
    blocked = [number for number, one in enumerate(changes) if locks.blocked(one.path)]
    response = BatchWriteResponse()
    for _ in changes:
        response.write_results.add()
        response.status.add()
    _write(database, changes, [n for n in range(len(changes)) if n not in blocked], response)

    async def later(number: int) -> None:
        try:
            await locks.before_write([changes[number].path], None)
        except Refusal as refusal:
            _refused(response.status[number], refusal)
        else:
            _write(database, changes, [number], response)

    if blocked:
        await asyncio.gather(*(later(number) for number in blocked))
    return response


def _write(database: Database, changes: list[Change], numbers: list[int], response: Any) -> None:
    """Each of these writes by itself, all with one way to the file."""
    installs: list[tuple[str, Stored | None, int]] = []
    for number in numbers:
        draft = Draft(database, database.clock.commit())
        try:
            draft.apply(changes[number])
        except Refusal as refusal:
            _refused(response.status[number], refusal)
            continue
        made, (result,) = draft.finished()
        installs += made
        response.write_results[number].CopyFrom(result)
    if installs:
        database.install(installs)


def _refused(status: Any, refusal: Refusal) -> None:
    status.code = refusal.code.value[0]
    status.message = refusal.message

"""Listen: what targets (documents, or a query) hold, and each change of it after a commit.

A target's content is looked up again after each commit and compared with what was sent, so that
commits which come close together may arrive as one snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from google.cloud.firestore_v1.types import firestore

from emonk_ops.sandbox.firestore.collection import Stored
from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.errors import Refusal, invalid
from emonk_ops.sandbox.firestore.field_paths import Path
from emonk_ops.sandbox.firestore.names import document_of, parent_of
from emonk_ops.sandbox.firestore.query_plan import plan_of
from emonk_ops.sandbox.firestore.query_run import run
from emonk_ops.sandbox.firestore.showing import shown
from emonk_ops.sandbox.firestore.stamps import put_stamp

Content: TypeAlias = dict[str, Stored]
ListenRequest = firestore.ListenRequest.pb()
ListenResponse = firestore.ListenResponse.pb()
_Kind = firestore.TargetChange.TargetChangeType


@dataclass(slots=True)
class Target:
    """`sent` are the update times of the documents that the client has, by path.

    `named` are documents whose absence is told from the first.
    """

    id: int
    content: Callable[[], Content]
    projection: tuple[Path, ...] | None = None
    named: tuple[str, ...] = ()
    sent: dict[str, int] = field(default_factory=dict)


class Listener:
    """The targets of one stream. Requests and commits become responses."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._targets: dict[int, Target] = {}

    def asked(self, request: Any) -> list[Any]:
        """Raises Refusal for a request that is none; a bad target is removed with its cause."""
        kind = request.WhichOneof("target_change")
        if kind == "remove_target":
            known = self._targets.pop(request.remove_target, None)
            return [] if known is None else [_changed(_Kind.REMOVE, request.remove_target)]
        if kind is None:
            raise invalid("A target to add or to remove is required.")
        return self._added(request.add_target)

    def _added(self, wanted: Any) -> list[Any]:
        number = wanted.target_id or max(self._targets, default=0) + 1
        try:
            target = _target(self._database, wanted, number)
        except Refusal as refusal:
            removed = _changed(_Kind.REMOVE, number)
            removed.target_change.cause.code = refusal.code.value[0]
            removed.target_change.cause.message = refusal.message
            return [_changed(_Kind.ADD, number), removed]
        self._targets[number] = target
        moment = self._database.clock.read()
        responses = [_changed(_Kind.ADD, number)]
        if wanted.WhichOneof("resume_type") is not None:
            responses.append(_changed(_Kind.RESET, number))
        responses += self._gone(target, target.named, moment)
        responses += self._news(target, moment)
        responses += [_changed(_Kind.CURRENT, number, moment=moment), _snapshot(moment)]
        if wanted.once:
            del self._targets[number]
            responses.append(_changed(_Kind.REMOVE, number))
        return responses

    def committed(self) -> list[Any]:
        """What is new since the last time."""
        moment = self._database.clock.read()
        responses = [one for target in self._targets.values() for one in self._news(target, moment)]
        return [*responses, _snapshot(moment)] if responses else []

    def _news(self, target: Target, moment: int) -> list[Any]:
        held = target.content()
        gone = [path for path in target.sent if path not in held]
        responses = self._gone(target, gone, moment)
        for path, stored in held.items():
            if target.sent.get(path) != stored.updated:
                change = ListenResponse()
                document = shown(stored, target.projection)
                change.document_change.document.CopyFrom(document)
                change.document_change.target_ids.append(target.id)
                responses.append(change)
        target.sent = {path: stored.updated for path, stored in held.items()}
        return responses

    def _gone(self, target: Target, paths: Any, moment: int) -> list[Any]:
        """Of these, what is deleted, and what a query finds no more."""
        responses = []
        for path in paths:
            there = self._database.get(path) is not None
            if there and path in target.named:
                continue
            response = ListenResponse()
            told = response.document_remove if there else response.document_delete
            told.document = f"{self._database.name.root}/{path}"
            told.removed_target_ids.append(target.id)
            put_stamp(told.read_time, moment)
            responses.append(response)
        return responses


async def listen(
    database: Database, first: Any, requests: AsyncIterator[Any]
) -> AsyncIterator[Any]:
    """Responses until the client ends its side of the stream. Raises Refusal."""
    listener = Listener(database)
    with database.commits() as committed:
        for response in listener.asked(first):
            yield response
        coming = asyncio.ensure_future(anext(requests, None))
        waking = asyncio.ensure_future(committed.wait())
        try:
            while True:
                await asyncio.wait((coming, waking), return_when=asyncio.FIRST_COMPLETED)
                if waking.done():
                    committed.clear()
                    for response in listener.committed():
                        yield response
                    waking = asyncio.ensure_future(committed.wait())
                if coming.done():
                    request = coming.result()
                    if request is None:
                        return
                    for response in listener.asked(request):
                        yield response
                    coming = asyncio.ensure_future(anext(requests, None))
        finally:
            coming.cancel()
            waking.cancel()


def _target(database: Database, wanted: Any, number: int) -> Target:
    kind = wanted.WhichOneof("target_type")
    if kind == "documents":
        places = [document_of(name) for name in wanted.documents.documents]
        if any(name != database.name for name, _ in places):
            raise invalid(f"A document of the target is not in {database.name.name}.")
        paths = tuple(path for _, path in places)

        def by_name() -> Content:
            found = {path: database.get(path) for path in paths}
            return {path: stored for path, stored in found.items() if stored is not None}

        return Target(number, by_name, named=paths)
    if kind != "query" or wanted.query.WhichOneof("query_type") != "structured_query":
        raise invalid("A target has documents or a structured query.")
    name, parent = parent_of(wanted.query.parent)
    if name != database.name:
        raise invalid(f"The target's parent is not in {database.name.name}.")
    plan = plan_of(parent, wanted.query.structured_query)
    return Target(
        number, lambda: {stored.path: stored for stored in run(database, plan)}, plan.projection
    )


def _changed(kind: Any, *targets: int, moment: int | None = None) -> Any:
    response = ListenResponse()
    change = response.target_change
    change.target_change_type = int(kind)
    change.target_ids.extend(targets)
    if moment is not None:
        put_stamp(change.read_time, moment)
        change.resume_token = moment.to_bytes(8, "big")
    return response


def _snapshot(moment: int) -> Any:
    """All targets are consistent at this moment."""
    return _changed(_Kind.NO_CHANGE, moment=moment)

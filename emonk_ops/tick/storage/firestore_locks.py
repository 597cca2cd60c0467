"""Concurrency keys in Firestore: a document a key, there while a lease holds it.

A free key has no document, so that to take it is one creation, and to free it one deletion; only
a key that is another's, or was left behind by a crash, has to be read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.storage import Lock, Outcome, Verdict
from emonk_ops.tick.storage.firestore_batches import (
    Batches,
    Expectation,
    deletion_of,
    update_of,
)
from emonk_ops.tick.storage.firestore_calls import FirestoreCalls
from emonk_ops.tick.storage.firestore_documents import put_time, time_of, version_of

COLLECTION = "scheduler_locks"
KEPT_AFTER_A_CRASH = timedelta(days=1)
TRIES = 2


class Locks:
    """The lock documents of one database."""

    def __init__(self, calls: FirestoreCalls, batches: Batches) -> None:
        self._calls = calls
        self._batches = batches
        self._folder = f"{calls.place.documents}/{COLLECTION}/"

    async def take(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        """As the port's `lock`."""
        first: dict[str, Lock] = {}
        for lock in wanted:
            first.setdefault(lock.key, lock)
        held: dict[str, Lock] = {}
        asked = {key: lock.version or None for key, lock in first.items()}
        for _ in range(TRIES):
            if not asked:
                break
            held |= await self._write([first[key] for key in asked], asked)
            left = [first[key] for key in asked if key not in held]
            asked = await self._read(left, held) if left else {}
        return tuple(held.get(lock.key) if first[lock.key] is lock else None for lock in wanted)

    async def free(self, locks: Sequence[Lock]) -> None:
        """As the port's `unlock`."""
        unknown = [self._name(lock.key) for lock in locks if not lock.version]
        found, _ = await self._calls.get(unknown) if unknown else ({}, None)
        writes: list[Expectation] = []
        for lock in locks:
            name = self._name(lock.key)
            version = lock.version
            if not version and name in found and _holder(found[name]) == lock.holder:
                version = version_of(found[name].update_time)
            if version:
                writes.append((deletion_of(name, version), version))
        if writes:
            await self._batches.write(writes)

    async def _write(
        self, locks: Sequence[Lock], versions: dict[str, str | None]
    ) -> dict[str, Lock]:
        messages = [(self._message(lock, versions[lock.key]), None) for lock in locks]
        try:
            outcomes = await self._batches.write(messages)
        except StorageError as error:
            outcomes = [Outcome(Verdict.UNCLEAR, code=error.code)] * len(locks)
        return {
            lock.key: replace(lock, version=outcome.version)
            for lock, outcome in zip(locks, outcomes, strict=True)
            if outcome.verdict is Verdict.OK
        }

    async def _read(self, locks: Sequence[Lock], held: dict[str, Lock]) -> dict[str, str | None]:
        """What to expect of those that can still be had; those that are had go to `held`."""
        found, read_time = await self._calls.get([self._name(lock.key) for lock in locks])
        free: dict[str, str | None] = {}
        for lock in locks:
            document = found.get(self._name(lock.key))
            if document is None:
                free[lock.key] = None
                continue
            version = version_of(document.update_time)
            until = time_of(document.fields["until"].timestamp_value)
            own = _holder(document) == lock.holder
            if own and until == lock.until:
                # The answer to our write was lost.
                held[lock.key] = replace(lock, version=version)
            elif own or until <= read_time:
                free[lock.key] = version
        return free

    def _message(self, lock: Lock, version: str | None) -> Any:
        message = update_of(self._name(lock.key), version)
        fields = message.update.fields
        fields["key"].string_value = lock.key
        fields["holder"].string_value = lock.holder
        put_time(fields["until"], lock.until)
        put_time(fields["expire_at"], lock.until + KEPT_AFTER_A_CRASH)
        return message

    def _name(self, key: str) -> str:
        return self._folder + hashlib.sha256(key.encode()).hexdigest()[:40]


def _holder(document: Any) -> str:
    return str(document.fields["holder"].string_value)

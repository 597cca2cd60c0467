"""Jobs in Firestore, shared by every instance of the service.

A poll is one query over one index, a batch of claims or results is one BatchWrite whose writes win
or lose by themselves on `update_time`, and the store's clock is the `read_time` of its answers.
docs/firestore.md describes the documents and their indexes.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import StorageDamaged, StorageError
from emonk_ops.tick.storage import (
    DriverRecord,
    DueAfter,
    DuePage,
    Lock,
    Outcome,
    Stored,
    Verdict,
    Write,
)
from emonk_ops.tick.storage.firestore_batches import (
    Batches,
    Expectation,
    deletion_of,
    update_of,
)
from emonk_ops.tick.storage.firestore_calls import FirestoreCalls, Place, Timeouts
from emonk_ops.tick.storage.firestore_documents import put_job, stored_of, time_of, version_of
from emonk_ops.tick.storage.firestore_locks import Locks
from emonk_ops.tick.storage.firestore_queries import COLLECTION, due_query, id_query, lease_query
from emonk_ops.tick.storage.firestore_transactions import Transactions

DRIVER_DOCUMENT = "scheduler_state/driver"
MOST_READS = 300
LONGEST_TRUST_SECONDS = 5.0
LARGEST_LAG = timedelta(seconds=1)


class FirestoreStorage:
    """Implements the whole port. `on_damage` hears of documents that a poll had to pass over.

    `claim_mode` is batch, or transaction for one transaction a write.
    """

    kind = "firestore"

    def __init__(
        self,
        place: Place,
        clock: Clock,
        *,
        claim_mode: str = "batch",
        rng: random.Random | None = None,
        timeouts: Timeouts | None = None,
        on_damage: Callable[[StorageDamaged], None] = lambda damage: None,
    ) -> None:
        self.calls = FirestoreCalls(place, rng or random.Random(secrets.randbits(64)), timeouts)
        self._clock = clock
        self._on_damage = on_damage
        self._batches = Batches(self.calls)
        self._locks = Locks(self.calls, self._batches)
        transactions = claim_mode == "transaction"
        self._writer = Transactions(self.calls) if transactions else self._batches
        self._jobs = f"{place.documents}/{COLLECTION}/"
        self._driver = f"{place.documents}/{DRIVER_DOCUMENT}"
        self._heard: tuple[datetime, float] | None = None

    async def open(self) -> None:
        await self.calls.open()
        await self.ping()

    async def close(self) -> None:
        await self.calls.close()

    async def ping(self) -> None:
        await self._get([self._driver])

    async def clock(self) -> datetime:
        """The store's clock; asked anew when it was last heard a while ago."""
        heard = self._heard
        if heard is None or self._clock.monotonic() - heard[1] > LONGEST_TRUST_SECONDS:
            await self.ping()
        return self._now()

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        found: list[Stored] = []
        while True:
            wanted = limit - len(found)
            documents, read_time = await self._due_documents(wanted, after)
            readable = self._readable(documents)
            # The query's bound is the store's clock by our reckoning, which may be ahead of it.
            found += [stored for stored in readable if _is_due(stored, read_time)]
            if len(readable) == len(documents) or len(documents) < wanted:
                return DuePage(tuple(found), read_time)
            after = _place_of(documents[-1])

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if not batch:
            return ()
        now = await self.clock()
        first: dict[str, int] = {}
        for index, write in enumerate(batch):
            first.setdefault(write.job.id, index)
        made = await self._writer.write([self._message(batch[i], now) for i in first.values()])
        outcomes = [Outcome(Verdict.CONFLICT)] * len(batch)
        for index, outcome in zip(first.values(), made, strict=True):
            outcomes[index] = outcome
        return tuple(outcomes)

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        names = [self._jobs + job_id for job_id in ids]
        found: dict[str, Any] = {}
        for begin in range(0, len(names), MOST_READS):
            found.update(await self._get(names[begin : begin + MOST_READS]))
        return tuple(stored_of(found[name]) if name in found else None for name in names)

    async def remove(self, stored: Stored) -> bool:
        deletion = deletion_of(self._jobs + stored.job.id, stored.version)
        return await self._write_one("remove", deletion, stored.version)

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        documents, _ = await self._query(id_query(self._jobs, limit, after))
        return tuple(stored_of(document) for document in documents)

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        return await self._locks.take(wanted)

    async def unlock(self, locks: Sequence[Lock]) -> None:
        await self._locks.free(locks)

    async def count_leases(self) -> int:
        return await self.calls.count(lease_query(await self.clock()))

    async def driver(self) -> DriverRecord | None:
        document = (await self._get([self._driver])).get(self._driver)
        return None if document is None else _driver_of(document)

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        document = (await self._get([self._driver])).get(self._driver)
        held = 0 if document is None else _driver_of(document).epoch
        if held != expected_epoch:
            return False
        version = None if document is None else version_of(document.update_time)
        message = update_of(self._driver, version)
        fields = message.update.fields
        fields["driver"].string_value = record.driver
        fields["epoch"].integer_value = record.epoch
        fields["revision"].string_value = record.revision
        fields["write_id"].string_value = write_id = secrets.token_hex(8)
        try:
            return await self._write_one("set_driver", message, version)
        except StorageError:
            document = (await self._get([self._driver])).get(self._driver)
            if document is not None and document.fields["write_id"].string_value == write_id:
                return True
            raise

    def _message(self, write: Write, now: datetime) -> Expectation:
        message = update_of(self._jobs + write.job.id, write.version)
        put_job(message.update.fields, write.job, now)
        return message, write.version

    async def _write_one(self, what: str, message: Any, version: str | None) -> bool:
        (outcome,) = await self._batches.write([(message, version)])
        if outcome.verdict is Verdict.UNCLEAR:
            raise StorageError(
                f"Firestore's answer to {what} was {outcome.code}.",
                code=outcome.code,
                transient=True,
            )
        return outcome.verdict is Verdict.OK

    async def _due_documents(
        self, limit: int, after: DueAfter | None
    ) -> tuple[list[Any], datetime]:
        until = await self.clock() if self._heard is None else self._now()
        documents, read_time = await self._query(due_query(self._jobs, until, limit, after))
        if read_time - until > LARGEST_LAG and len(documents) < limit:
            # An instance that stood still asked for the past; there may be more that is due.
            return await self._query(due_query(self._jobs, read_time, limit, after))
        return documents, read_time

    def _readable(self, documents: Sequence[Any]) -> list[Stored]:
        """The jobs of the documents; one that is damaged must not keep the others waiting."""
        readable = []
        for document in documents:
            try:
                readable.append(stored_of(document))
            except StorageDamaged as damage:
                self._on_damage(damage)
        return readable

    def _now(self) -> datetime:
        if self._heard is None:
            raise RuntimeError("the store's clock was asked for before the first read")
        read_time, asked_at = self._heard
        return read_time + timedelta(seconds=self._clock.monotonic() - asked_at)

    async def _get(self, names: Sequence[str]) -> dict[str, Any]:
        asked_at = self._clock.monotonic()
        found, read_time = await self.calls.get(names)
        self._heard = (read_time, asked_at)
        return found

    async def _query(self, query: Any) -> tuple[list[Any], datetime]:
        asked_at = self._clock.monotonic()
        documents, read_time = await self.calls.query(query)
        self._heard = (read_time, asked_at)
        return documents, read_time


def _is_due(stored: Stored, read_time: datetime) -> bool:
    return stored.job.due_at is not None and stored.job.due_at <= read_time


def _place_of(document: Any) -> DueAfter:
    due_at = time_of(document.fields["due_at"].timestamp_value)
    return DueAfter(due_at, document.name.rpartition("/")[2])


def _driver_of(document: Any) -> DriverRecord:
    fields = document.fields
    return DriverRecord(
        driver=fields["driver"].string_value,
        epoch=fields["epoch"].integer_value,
        revision=fields["revision"].string_value,
    )

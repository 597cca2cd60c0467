"""All databases of a world, with their transactions and locks."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from emonk_ops.sandbox.firestore.database import Database
from emonk_ops.sandbox.firestore.disk import Disk
from emonk_ops.sandbox.firestore.errors import invalid
from emonk_ops.sandbox.firestore.locks import Locks, Range
from emonk_ops.sandbox.firestore.names import DatabaseName
from emonk_ops.sandbox.firestore.stamps import CommitClock
from emonk_ops.sandbox.firestore.transactions import Transaction, Transactions, past_moment


class Databases:
    """Each is read from the file when it is first asked for. `now` is in nanoseconds."""

    def __init__(self, disk: Disk, now: Callable[[], int], rng: random.Random) -> None:
        self._disk = disk
        self._now = now
        self._open: dict[DatabaseName, Database] = {}
        self._locks: dict[DatabaseName, Locks] = {}
        self.transactions = Transactions(now, rng, self._ended)

    def database(self, name: DatabaseName) -> Database:
        """Any name is a database: there is nothing to create first."""
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = Database(name, self._disk, CommitClock(self._now))
            self._locks[name] = Locks()
        return found

    def locks(self, database: Database) -> Locks:
        return self._locks[database.name]

    def all(self) -> list[Database]:
        """The databases that were asked for."""
        return list(self._open.values())

    def clear(self) -> None:
        """Forget everything; moments go on where they were."""
        self.transactions.clear()
        for database in self._open.values():
            database.clear()
        self._disk.clear()

    def _ended(self, transaction: Transaction) -> None:
        self._locks[transaction.database.name].release(transaction)

    async def reading(self, request: Any, database: Database) -> Reading:
        """How a request wants to read. Raises Refusal."""
        kind = request.WhichOneof("consistency_selector")
        if kind == "read_time":
            return Reading(self, database, None, past_moment(request.read_time, database))
        if kind == "transaction":
            used = self.transactions.use(request.transaction, database)
            return Reading(self, database, used, used.read_at)
        if kind == "new_transaction":
            begun = self.transactions.begin(database, request.new_transaction)
            return Reading(self, database, begun, begun.read_at, begun.id)
        return Reading(self, database, None, None)


class Reading:
    """One read: at `at` (None: now), under the locks of its transaction if it has one.

    `begun` is the id of a transaction that this read began.
    """

    def __init__(
        self,
        databases: Databases,
        database: Database,
        transaction: Transaction | None,
        at: int | None,
        begun: bytes = b"",
    ) -> None:
        self._databases = databases
        self.database = database
        self._transaction = transaction
        self.at = at
        self.begun = begun

    async def lock(self, paths: Sequence[str]) -> None:
        """Take the read locks of documents. Raises Refusal (ABORTED), and the transaction ends."""
        transaction = self._transaction
        if transaction is None or transaction.read_only:
            return
        locks = self._databases.locks(self.database)
        try:
            await locks.before_read(paths, transaction)
        except BaseException:
            self._databases.transactions.close(transaction)
            raise

    async def lock_range(self, parent: str, collection: str, *, descendants: bool) -> None:
        """Take the read lock of what a query may see, as `lock` does."""
        transaction = self._transaction
        if transaction is None or transaction.read_only:
            return
        locks = self._databases.locks(self.database)
        try:
            await locks.before_query(Range(parent, collection, descendants), transaction)
        except BaseException:
            self._databases.transactions.close(transaction)
            raise

    def moment(self) -> int:
        """The read time to answer with, in microseconds."""
        return self.database.clock.read() if self.at is None else self.at


def check_writable(transaction: Transaction, writes: Sequence[Any]) -> None:
    """Raises Refusal."""
    if transaction.read_only and writes:
        raise invalid("Cannot modify entities in a read-only transaction.")

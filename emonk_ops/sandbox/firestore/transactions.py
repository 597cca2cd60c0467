"""Transactions: read-write ones hold read locks, read-only ones read one moment of the past."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from emonk_ops.sandbox.firestore.database import KEPT_MICROSECONDS, Database
from emonk_ops.sandbox.firestore.errors import (
    closed_transaction,
    invalid,
    too_old,
    unknown_transaction,
)
from emonk_ops.sandbox.firestore.stamps import moment_of

IDLE_NANOSECONDS = 60 * 10**9
LONGEST_NANOSECONDS = 270 * 10**9
"""By the world's clock (firebase.google.com/docs/firestore/quotas): idle, and in all."""


class Transaction:
    """Open until committed, rolled back, refused, or forgotten for too long."""

    def __init__(
        self, identity: bytes, database: Database, read_at: int | None, now: Callable[[], int]
    ) -> None:
        self.id = identity
        self.database = database
        self.read_at = read_at
        self.ended = False
        self._now = now
        self._began = self._used = now()

    @property
    def read_only(self) -> bool:
        return self.read_at is not None

    @property
    def over(self) -> bool:
        now = self._now()
        too_long = now - self._began > LONGEST_NANOSECONDS or now - self._used > IDLE_NANOSECONDS
        return self.ended or too_long

    def touch(self) -> None:
        """It is in use: the idle time begins anew."""
        self._used = self._now()


class Transactions:
    """All open transactions; `now` is in nanoseconds, `end` is told of each that ended."""

    def __init__(
        self, now: Callable[[], int], rng: random.Random, end: Callable[[Transaction], None]
    ) -> None:
        self._now = now
        self._end = end
        self._open: dict[bytes, Transaction] = {}
        # Ids of a sandbox that ran before are none of ours.
        self._first = self._next = rng.randrange(2**40, 2**48)

    def begin(self, database: Database, options: Any) -> Transaction:
        """Raises Refusal for a read time that cannot be read, or a retry of nothing."""
        read_at = None
        if options.HasField("read_only"):
            read_at = database.clock.read()
            if options.read_only.HasField("read_time"):
                read_at = past_moment(options.read_only.read_time, database)
        elif options.read_write.retry_transaction:
            self._known(options.read_write.retry_transaction)
        self._drop_forgotten()
        identity = b"\x11" + self._next.to_bytes(8, "little")
        self._next += 1
        made = Transaction(identity, database, read_at, self._now)
        self._open[identity] = made
        return made

    def use(self, identity: bytes, database: Database) -> Transaction:
        """The open transaction of this id. Raises Refusal where there is none."""
        self._known(identity)
        found = self._open.get(identity)
        if found is None or found.database is not database:
            raise closed_transaction()
        if found.over:
            self.close(found)
            raise closed_transaction()
        found.touch()
        return found

    def close(self, transaction: Transaction) -> None:
        """End it and give back what it holds."""
        self._open.pop(transaction.id, None)
        transaction.ended = True
        self._end(transaction)

    def roll_back(self, identity: bytes) -> None:
        """Nothing happens where it has ended. Raises Refusal where it never was."""
        self._known(identity)
        found = self._open.get(identity)
        if found is not None:
            self.close(found)

    def clear(self) -> None:
        """End all."""
        for transaction in list(self._open.values()):
            self.close(transaction)

    def _known(self, identity: bytes) -> None:
        number = int.from_bytes(identity[1:], "little")
        form = len(identity) == 9 and identity[:1] == b"\x11"
        if not form or not self._first <= number < self._next:
            raise unknown_transaction()

    def _drop_forgotten(self) -> None:
        for transaction in [one for one in self._open.values() if one.over]:
            self.close(transaction)


def past_moment(stamp: Any, database: Database) -> int:
    """The moment of a `read_time`. Raises Refusal for one that is to come, or too long ago."""
    moment = moment_of(stamp)
    if moment > database.clock.read():
        raise invalid("The requested 'read_time' cannot be in the future.")
    if moment < database.clock.read() - KEPT_MICROSECONDS:
        raise too_old()
    return moment

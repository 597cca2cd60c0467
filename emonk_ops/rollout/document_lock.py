"""The lock of an environment as a document of a database that several machines share.

Its time is the database's: what it said at its last answer, and the monotonic time since. A
machine's own clock decides nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from emonk_ops.clock import Clock, Stopwatch
from emonk_ops.errors import Conflict, StateDamaged
from emonk_ops.rollout.lease import Lease
from emonk_ops.rollout.leasing import LeaseLock, Seen
from emonk_ops.state_ports import Documents

PATH = "state/lock"
# A day of waiting costs 5,760 writes; the free quota is 20,000.
TTL_SECONDS = 60.0
HEARTBEAT_SECONDS = 15.0


class DocumentLock(LeaseLock):
    """See `emonk_ops.rollout.places.LockPlace`.

    `clock` is handed in where the database's own time may jump while a holder waits: a sandbox's.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        clock: Clock | None = None,
        ttl_seconds: float = TTL_SECONDS,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        super().__init__(ttl_seconds=ttl_seconds, heartbeat_seconds=heartbeat_seconds)
        self._documents = documents
        self._clock = clock
        self._told: tuple[datetime, Stopwatch] | None = None
        self._good: dict[int, tuple[float, Stopwatch]] = {}  # seconds that a fence has, since when

    def _look(self) -> Seen:
        asked = Stopwatch()
        found, said = self._documents.read(PATH)
        self._told = said, Stopwatch()  # it is later there by now: nobody else's lease ends early
        now = self._now()
        if found is None:
            return Seen(None, 0, now, asked=asked)
        try:
            text, fence = str(found.fields["lease"]), int(str(found.fields["fence"]))
            lease = Lease.from_json(text) if text else None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StateDamaged(
                f"{self._documents.where}: the lock is damaged: {error}",
                hint=f"If no rollout is going on, delete its document {PATH} there",
            ) from error
        seen = Seen(lease, fence, now, found.version, asked)
        self._remember(seen, lease)
        return seen

    def _put(self, seen: Seen, lease: Lease | None) -> bool:
        fields: dict[str, str | int | datetime] = {"lease": "", "fence": seen.fence}
        if lease is not None:
            fields = {
                "lease": lease.to_json(),
                "fence": lease.fence,
                "holder": lease.holder,
                "reason": lease.reason,
                "expires_at": lease.expires_at,
            }
        try:
            if seen.version is None:
                self._documents.create(PATH, fields)
            else:
                self._documents.replace(PATH, fields, seen.version)
        except Conflict:
            return False
        self._remember(seen, lease)
        return True

    def _remember(self, seen: Seen, lease: Lease | None) -> None:
        if lease is not None:
            self._good[lease.fence] = ((lease.expires_at - seen.now).total_seconds(), seen.asked)

    def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock.now()
        if self._told is None:
            self._look()
        assert self._told is not None
        said, since = self._told
        return said + timedelta(seconds=since.seconds)

    def _still_good(self, mine: Lease) -> bool:
        seconds, asked = self._good.get(mine.fence, (0.0, Stopwatch()))
        return asked.seconds < seconds

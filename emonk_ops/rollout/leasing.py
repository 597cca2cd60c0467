"""One rollout at a time per environment: a lease, renewed by a heartbeat, whatever keeps it.

Every change is a compare-and-set in its store. A lease that ran out, or whose process on this
machine is gone, is taken over, and the run records that.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import CloudError, Conflict, Locked, LockLost, StateDamaged
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.lease import HeldLock, Lease, born

TRIES = 10


@dataclass(frozen=True)
class Seen:
    """What the store has: the lease, the last fence it gave, its version, and the store's time."""

    lease: Lease | None
    fence: int
    now: datetime
    version: datetime | None = None  # for a store that compares and sets by it
    asked: Stopwatch = field(default_factory=Stopwatch)  # since before the store was asked

    def has(self, lease: Lease) -> bool:
        return self.lease is not None and self.lease.is_same(lease)

    @property
    def in_time(self) -> bool:
        return self.lease is not None and self.now < self.lease.expires_at


class LeaseLock(ABC):
    """See `emonk_ops.rollout.places.LockPlace`."""

    def __init__(self, *, ttl_seconds: float, heartbeat_seconds: float) -> None:
        self._ttl = timedelta(seconds=ttl_seconds)
        self._heartbeat_seconds = heartbeat_seconds

    @abstractmethod
    def _look(self) -> Seen:
        """Raises StateDamaged, OSError and CloudError."""

    @abstractmethod
    def _put(self, seen: Seen, lease: Lease | None) -> bool:
        """Write it over what was seen; False where that is not there any more."""

    @abstractmethod
    def _now(self) -> datetime:
        """The store's time, as far as it is known."""

    def _guarded(self) -> AbstractContextManager[None]:
        """Around a look and the write that goes with it."""
        return nullcontext()

    def _still_good(self, mine: Lease) -> bool:
        """Whether the lease certainly has not run out, while the store cannot be asked."""
        return False

    def describe(self) -> Lease | None:
        """The lease there is, dead or alive. Raises StateDamaged."""
        return self._look().lease

    def is_live(self, lease: Lease, machine: str) -> bool:
        return lease.lives(machine, self._now())

    @contextmanager
    def held(
        self, who: Identity, *, reason: str, run: str, pre_empts: bool = False
    ) -> Iterator[HeldLock]:
        """Take the lock, keep it alive, give it back. Raises Locked with the holder's name.

        One that `pre_empts` takes it from whoever has it, who stops at the next change.
        """
        with self._taken(who, reason, run, pre_empts) as held:
            stop = threading.Event()
            heart = threading.Thread(
                target=self._beat, args=(held.lease, stop), name="lock-heartbeat", daemon=True
            )
            heart.start()
            try:
                yield held
            finally:
                stop.set()
                heart.join()

    def acquire(self, who: Identity, *, reason: str, run: str, seconds: float) -> Lease:
        """Take it by hand, for longer than this process lives. Raises Locked."""
        lasts = timedelta(seconds=seconds)
        return self._take(who, reason, run, lasts, by_hand=True).lease

    def release_by_hand(self) -> Lease | None:
        """Remove the lease whoever holds it; the holder stops at its next record."""
        with self._guarded():
            for _ in range(TRIES):
                seen = self._look()
                if seen.lease is None or self._put(seen, None):
                    return seen.lease
        raise _contended()

    def require(self, mine: Lease) -> None:
        """Raises LockLost."""
        try:
            seen = self._look()
            if seen.has(mine) and (seen.in_time or self.renew(mine)):
                return
        except (OSError, CloudError) as error:
            if self._still_good(mine):
                return
            raise _lost(f"its lease ran out and cannot be renewed: {error}") from error
        raise _lost(seen.lease.sentence() if seen.lease else "it was released by hand")

    def renew(self, mine: Lease) -> bool:
        """Put the end of the lease off; False where it is no longer this run's. Raises OSError."""
        with self._guarded():
            for _ in range(TRIES):
                seen = self._look()
                if not seen.has(mine):
                    return False
                if self._put(seen, replace(mine, expires_at=seen.now + self._ttl)):
                    return True
        raise _contended()

    @contextmanager
    def _taken(self, who: Identity, reason: str, run: str, pre_empts: bool) -> Iterator[HeldLock]:
        held = self._take(who, reason, run, self._ttl, pre_empts=pre_empts)
        try:
            yield held
        finally:
            # One that cannot be given back ends by itself.
            with suppress(CloudError):
                self._give_back(held.lease)

    def _take(
        self,
        who: Identity,
        reason: str,
        run: str,
        lasts: timedelta,
        *,
        by_hand: bool = False,
        pre_empts: bool = False,
    ) -> HeldLock:
        found: Lease | None = None
        lease: Lease | None = None
        with self._guarded():
            for _ in range(TRIES):
                seen = self._look()
                if lease is not None and seen.has(lease):
                    return HeldLock(lease, found, self.require)  # its answer was lost
                found = seen.lease
                alive = found is not None and found.lives(who.machine, seen.now)
                if found is not None and alive and not pre_empts:
                    raise _locked(found)
                lease = Lease(
                    holder=who.actor,
                    host=who.host,
                    machine=who.machine,
                    pid=who.pid,
                    born=born(who.pid),
                    reason=reason,
                    run=run,
                    fence=(found.fence if found else seen.fence) + 1,
                    taken_at=seen.now,
                    expires_at=seen.now + lasts,
                    by_hand=by_hand,
                )
                if self._put(seen, lease):
                    return HeldLock(lease, found, self.require)
        raise _contended()

    def _give_back(self, mine: Lease) -> None:
        with self._guarded():
            for _ in range(TRIES):
                seen = self._look()
                if not seen.has(mine) or self._put(seen, None):
                    return

    def _beat(self, mine: Lease, stop: threading.Event) -> None:
        while not stop.wait(self._heartbeat_seconds):
            try:
                if not self.renew(mine):
                    return
            except (OSError, StateDamaged, CloudError):
                # What fails now may go well at the next beat; `require` speaks of what lasts.
                continue


def _locked(lease: Lease) -> Locked:
    hint = "Wait for it, or see `emonk-ops lock status`."
    if lease.by_hand:
        hint = 'Ask them, or: emonk-ops lock release --reason "…"'
    return Locked(f"locked: {lease.sentence()}", hint=hint)


def _lost(why: str) -> LockLost:
    return LockLost(
        f"the lock of this run was lost: {why}",
        hint="Nothing more was changed. See `emonk-ops status` before going on.",
    )


def _contended() -> Conflict:
    return Conflict("others keep changing the lock", hint="Run the same command again")

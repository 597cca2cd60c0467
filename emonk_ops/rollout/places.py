"""Where an environment's journal and lock may be: what a place has to offer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from emonk_ops.rollout.identity import Identity
    from emonk_ops.rollout.lease import HeldLock, Lease
    from emonk_ops.rollout.records import Record


@dataclass(frozen=True)
class PlaceState:
    """Where a journal is. `since` is when it could last be reached, where it cannot be now."""

    where: str
    reachable: bool = True
    since: datetime | None = None
    why: str = ""
    spooled: int = 0  # records that wait on this machine

    def sentence(self) -> str:
        if self.reachable:
            return self.where
        since = f"{self.since:%Y-%m-%d %H:%M:%S}Z" if self.since else "just now"
        return (
            f"SPOOLED {self.spooled} records, {self.where} unreachable since {since} ({self.why}); "
            "the next command that reaches it sends them"
        )


class JournalPlace(Protocol):
    """Append-only records, chained. Two writers never both write the record N."""

    def records(self) -> tuple[Record, ...]:
        """All records, checked: those of others as far as they can be seen. Raises StateDamaged."""
        ...

    def append(
        self, *, run: str, kind: str, who: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Record:
        """One record, secrets redacted; on a disk or in the database when it returns.

        Raises StateDamaged, Locked, and Unreachable for what may only go on in sight of everybody.
        """
        ...

    def require_reachable(self) -> None:
        """Raises Unreachable where the records of others cannot be seen now."""
        ...

    def state(self) -> PlaceState:
        """Where it is and how it stands. Never raises for a place that cannot be reached."""
        ...


class LockPlace(Protocol):
    """A lease that one run has at a time. Raises StateDamaged and Unreachable."""

    def describe(self) -> Lease | None:
        """The lease there is, dead or alive."""
        ...

    def is_live(self, lease: Lease, machine: str) -> bool:
        """Whether its holder may still be at work, as far as `machine` can tell."""
        ...

    def held(
        self, who: Identity, *, reason: str, run: str, pre_empts: bool = False
    ) -> AbstractContextManager[HeldLock]:
        """Take the lock, keep it alive, give it back. Raises Locked with the holder's name.

        One that `pre_empts` takes it from whoever has it, who stops at the next change.
        """
        ...

    def acquire(self, who: Identity, *, reason: str, run: str, seconds: float) -> Lease:
        """Take it by hand, for longer than this process lives. Raises Locked."""
        ...

    def release_by_hand(self) -> Lease | None:
        """Remove the lease whoever holds it; the holder stops at its next record."""
        ...

"""The storage port: what the scheduler needs of a store, and no more.

Every implementation passes the same contract suite. A version is an opaque token that changes with
every write of its job (Firestore's update_time, a number elsewhere); a write names the version it
expects, and each write of a batch wins or loses by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from emonk_ops.tick.jobs import Job


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as it was read, with the version to expect when it is written."""

    job: Job
    version: str


@dataclass(frozen=True, slots=True)
class Write:
    """Write `job` if the store holds `version` of it; None means that it must not exist yet."""

    job: Job
    version: str | None


class Verdict(StrEnum):
    """What became of one write: made, lost to another writer, or nobody can say."""

    OK = "ok"
    CONFLICT = "conflict"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`version` is the new one after OK; `code` names the error of an unclear write."""

    verdict: Verdict
    version: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class DueAfter:
    """Where a poll left off: the order is by due time, then by id."""

    due_at: datetime
    job_id: str


@dataclass(frozen=True, slots=True)
class DuePage:
    """Due jobs by due time, and the store's clock when they were read."""

    jobs: tuple[Stored, ...]
    read_time: datetime


@dataclass(frozen=True, slots=True)
class DriverRecord:
    """Who drives: legacy, cloud, shadow or nobody, since which epoch, in which revision."""

    driver: str
    epoch: int
    revision: str


@dataclass(frozen=True, slots=True)
class Lock:
    """A concurrency key in the hands of `holder`, a lease's id, until that lease ends.

    `version` is the store's, where it has one; without it the store looks for the holder.
    """

    key: str
    holder: str
    until: datetime
    version: str = ""


class JobStorage(Protocol):
    """Errors are StorageError; a call that raised may or may not have been applied."""

    @property
    def kind(self) -> str:
        """memory, json or firestore."""
        ...

    async def open(self) -> None:
        """Make ready; raises StorageError saying why it cannot."""
        ...

    async def close(self) -> None: ...

    async def ping(self) -> None:
        """Raise StorageError if jobs could not be read now; cheap."""
        ...

    async def clock(self) -> datetime:
        """The store's clock."""
        ...

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        """Up to `limit` jobs with due_at at or before the store's clock, later than `after`."""
        ...

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        """Each write wins or loses by itself; outcomes are in the order of the batch."""
        ...

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        """The jobs of these ids, None where there is none."""
        ...

    async def remove(self, stored: Stored) -> bool:
        """Forget the job if this is still its version."""
        ...

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        """Up to `limit` jobs ordered by id, beginning behind the id `after`."""
        ...

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        """Each lock as it is held now; None where the key is another's by the store's clock.

        Its holder may prolong a lock by asking again. Of two of one key the first one has it.
        """
        ...

    async def unlock(self, locks: Sequence[Lock]) -> None:
        """Free the keys that are still in these holders' hands."""
        ...

    async def count_leases(self) -> int:
        """How many leases are live by the store's clock."""
        ...

    async def driver(self) -> DriverRecord | None:
        """Who drives; None where nobody ever said."""
        ...

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        """Write the record if the stored epoch is the expected one (0 where there is none)."""
        ...

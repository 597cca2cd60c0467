"""The claims of one round: what is written, and what of it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from emonk_ops.tick import settlement
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Lease
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.settlement import Runnable, Settled
from emonk_ops.tick.storage import Outcome, Stored, Verdict, Write

Candidate = tuple[Stored, Runnable | Settled]


def claim_of(candidate: Candidate, by: str, until: datetime) -> Write:
    """The write that claims the job for `by`, or that settles it where nothing is to run."""
    stored, found = candidate
    if isinstance(found, Settled):
        return Write(found.job, stored.version)
    return Write(settlement.claim(found.job, Lease(Lease.fresh_id(), by, until)), stored.version)


@dataclass(frozen=True, slots=True)
class Taken:
    """The version of each write that was made, None for the others.

    `doubtful` are the jobs of which nobody can say, because of `error`.
    """

    versions: list[str | None]
    doubtful: frozenset[str] = frozenset()
    error: StorageError | None = None


async def taken_of(
    writes: Sequence[Write], outcomes: Sequence[Outcome], meter: StorageMeter
) -> Taken:
    """Which writes were made, read back where the answer was unclear. Raises nothing."""
    unclear = [
        write.job.id
        for write, outcome in zip(writes, outcomes, strict=True)
        if outcome.verdict is Verdict.UNCLEAR
    ]
    read: dict[str, Stored] = {}
    failure: StorageError | None = None
    if unclear:
        try:
            found = await meter.get(unclear)
            read = {stored.job.id: stored for stored in found if stored is not None}
        except StorageError as error:
            failure = error
    versions: list[str | None] = []
    for write, outcome in zip(writes, outcomes, strict=True):
        if outcome.verdict is Verdict.UNCLEAR:
            stored = read.get(write.job.id)
            versions.append(stored.version if stored and _is_ours(stored, write) else None)
        else:
            versions.append(outcome.version if outcome.verdict is Verdict.OK else None)
    return Taken(versions, frozenset(unclear) if failure else frozenset(), failure)


def _is_ours(stored: Stored, write: Write) -> bool:
    lease = stored.job.lease
    if write.job.lease is None or lease is None:
        return stored.job == write.job
    return lease.id == write.job.lease.id

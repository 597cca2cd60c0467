"""The two ends of a migration, and how their jobs are read, compared and summed up in order."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from emonk_ops.tick.errors import StorageError, TickError
from emonk_ops.tick.jobs import Job, canonical
from emonk_ops.tick.merging import merge
from emonk_ops.tick.storage import DriverRecord, JobStorage, Verdict, Write

PAGE = 500
TRIES = 5


class MigrationRefused(TickError):
    """Nothing was activated.

    `code` is leased, newer, extra, drives, mark, unfinished or unequal.
    """


class Side(Protocol):
    """A store as a migration meets it. Errors are those of `JobStorage`, or TickError."""

    async def clock(self) -> datetime:
        """The store's clock."""
        ...

    async def driver(self) -> DriverRecord | None: ...

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        """Write the record if the stored epoch is the expected one (0 where there is none)."""
        ...

    async def live_leases(self) -> int: ...

    async def page(self, after: str) -> Sequence[Job]:
        """The next jobs by id behind `after` ("" begins); none at the end."""
        ...

    async def take(self, jobs: Sequence[Job]) -> None:
        """Store them exactly as they are. Raises MigrationRefused where the store knows better."""
        ...


class StoreSide:
    """A storage of this package, opened by the caller."""

    def __init__(self, storage: JobStorage) -> None:
        self._storage = storage

    async def clock(self) -> datetime:
        return await self._storage.clock()

    async def driver(self) -> DriverRecord | None:
        return await self._storage.driver()

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        return await self._storage.set_driver(record, expected_epoch)

    async def live_leases(self) -> int:
        return await self._storage.count_leases()

    async def page(self, after: str) -> Sequence[Job]:
        found = await self._storage.list_jobs(PAGE, after or None)
        return [stored.job for stored in found]

    async def take(self, jobs: Sequence[Job]) -> None:
        now = await self._storage.clock()
        left = list(jobs)
        for _ in range(TRIES):
            writes = await self._writes(left, now)
            if not writes:
                return
            try:
                outcomes = await self._storage.write(writes)
            except StorageError as error:
                if not error.transient:
                    raise
                continue  # what was applied all the same is found equal
            left = [
                write.job
                for write, outcome in zip(writes, outcomes, strict=True)
                if outcome.verdict is not Verdict.OK
            ]
        if left:
            raise StorageError(
                f"{len(left)} jobs could not be written, the first is '{left[0].id}'.",
                code="ABORTED",
                transient=True,
            )

    async def _writes(self, jobs: Sequence[Job], now: datetime) -> list[Write]:
        writes = []
        for job, stored in zip(jobs, await self._storage.get([j.id for j in jobs]), strict=True):
            if stored is not None and stored.job == job:
                continue
            if not may_replace(job, None if stored is None else stored.job, now):
                raise newer([job.id])
            writes.append(Write(job, None if stored is None else stored.version))
        return writes


def may_replace(carried: Job, stored: Job | None, now: datetime) -> bool:
    """Whether nothing that the target knows would be lost or taken back."""
    return merge(carried, stored, now).job == carried


def newer(ids: Sequence[str]) -> MigrationRefused:
    """The refusal where the target has gone further than the source."""
    return MigrationRefused(
        f"{len(ids)} jobs are further on in the target than in the source: {_some(ids)}.",
        hint="The target was driven after the source. Carry them the other way, or export the "
        "target and move it away.",
        code="newer",
    )


def extra(ids: Sequence[str]) -> MigrationRefused:
    """The refusal where the target holds jobs that the source does not."""
    return MigrationRefused(
        f"{len(ids)} jobs are in the target only: {_some(ids)}.",
        hint="Export the target to keep them, then move it away and carry again.",
        code="extra",
    )


def _some(ids: Sequence[str]) -> str:
    return ", ".join(f"'{one}'" for one in ids[:5]) + (", …" if len(ids) > 5 else "")


@dataclass(frozen=True, slots=True)
class Sum:
    """What one side holds: how many jobs, and the checksum that an export of them has."""

    count: int
    checksum: str


async def jobs_of(side: Side, after: str = "") -> AsyncIterator[Job]:
    """All jobs by id, a page at a time."""
    while page := await side.page(after):
        for job in page:
            yield job
        after = page[-1].id


async def sum_up(side: Side) -> Sum:
    """Count and checksum in constant memory; the same text as `jobs.checksum` of all jobs."""
    digest, count = hashlib.sha256(b"["), 0
    async for job in jobs_of(side):
        digest.update(("," * bool(count) + canonical(job.to_dict())).encode())
        count += 1
    digest.update(b"]")
    return Sum(count, f"sha256:{digest.hexdigest()}")


async def side_by_side(
    source: Side, target: Side, after: str = ""
) -> AsyncIterator[tuple[Job | None, Job | None]]:
    """The jobs of both sides by id, those of one id together."""
    ours, theirs = jobs_of(source, after), jobs_of(target, after)
    mine, other = await anext(ours, None), await anext(theirs, None)
    while mine is not None or other is not None:
        if other is None or (mine is not None and mine.id < other.id):
            yield mine, None
            mine = await anext(ours, None)
        elif mine is None or other.id < mine.id:
            yield None, other
            other = await anext(theirs, None)
        else:
            yield mine, other
            mine, other = await anext(ours, None), await anext(theirs, None)

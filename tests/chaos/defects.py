"""Defects planted on purpose, so that the checker has to find them.

Each stands between the service and its storage and does what a mistake in the service would do.
`lease-check` alone needs no storage: it takes the margin out of the limits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.settlement import after_release
from emonk_ops.tick.storage import DueAfter, DuePage, JobStorage, Outcome, Stored, Verdict, Write
from tests.chaos.storages import Passing

LINGER_SECONDS = 0.2


class FenceKept(Passing):
    """A claim gets the fence of the claim before it."""

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await self.inner.read_due(limit, after)
        return replace(page, jobs=tuple(_one_fence_back(stored) for stored in page.jobs))


class NoPrecondition(Passing):
    """Claims are written whatever the store holds by then."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if all(write.job.lease is None for write in batch):
            return await self.inner.write(batch)
        await asyncio.sleep(LINGER_SECONDS)
        return await _forced(self.inner, batch)


class NoCompareAndSet(Passing):
    """Results are written whatever the store holds by then."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if any(write.job.lease is not None for write in batch):
            return await self.inner.write(batch)
        return await _forced(self.inner, batch)


class UnclearIsLost(Passing):
    """An unclear claim is taken for a lost race, and nobody reads back."""

    verdict = Verdict.CONFLICT

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        try:
            outcomes = await self.inner.write(batch)
        except StorageError:
            return tuple(Outcome(self.verdict, version="0.0") for _ in batch)
        return outcomes


class UnclearIsWon(UnclearIsLost):
    """An unclear claim is taken for a won one, and nobody reads back."""

    verdict = Verdict.OK


class OwnWallClock(Passing):
    """Whether a lease has expired is decided by the wall clock of the instance."""

    def __init__(self, inner: JobStorage, clock: Clock) -> None:
        super().__init__(inner)
        self._wall = clock

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        page = await self.inner.read_due(limit, after)
        own = self._wall.now()
        every = await self.inner.list_jobs(1000)
        due = [one for one in every if one.job.due_at is not None and one.job.due_at <= own]
        return DuePage(tuple(due[:limit]), max(own, page.read_time))


class ReleasedWhileRunning(Passing):
    """A lease is given back while its handler still runs."""

    def __init__(self, inner: JobStorage) -> None:
        super().__init__(inner)
        self._releases: set[asyncio.Task[None]] = set()

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        outcomes = await self.inner.write(batch)
        for write, outcome in zip(batch, outcomes, strict=True):
            if write.job.lease is not None and outcome.verdict is Verdict.OK:
                task = asyncio.create_task(self._release(Stored(write.job, outcome.version)))
                self._releases.add(task)
                task.add_done_callback(self._releases.discard)
        return outcomes

    async def _release(self, held: Stored) -> None:
        await asyncio.sleep(LINGER_SECONDS)
        now = await self.inner.clock()
        freed = after_release(held.job, now, "planted", started=False, refund=True)
        await self.inner.write([Write(freed, held.version)])


class SlotPassedOver(Passing):
    """After each result the job moves on by one slot too many, and says nothing of it."""

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return await self.inner.write([replace(one, job=_one_further(one.job)) for one in batch])


def _one_further(job: Job) -> Job:
    if job.lease is not None or job.attempt or job.schedule.every is None:
        return job
    step = timedelta(seconds=job.schedule.every)
    due_at = None if job.due_at is None else job.due_at + step
    return replace(job, slot=job.slot + step, due_at=due_at)


def _one_fence_back(stored: Stored) -> Stored:
    return replace(stored, job=replace(stored.job, fence=max(0, stored.job.fence - 1)))


async def _forced(inner: JobStorage, batch: Sequence[Write]) -> tuple[Outcome, ...]:
    """Have each job written, whatever the store holds of it."""
    outcomes = [Outcome(Verdict.CONFLICT)] * len(batch)
    left = list(range(len(batch)))
    while left:
        held = await inner.get([batch[place].job.id for place in left])
        writes = [
            replace(batch[place], version=None if stored is None else stored.version)
            for place, stored in zip(left, held, strict=True)
        ]
        for place, outcome in zip(left, await inner.write(writes), strict=True):
            outcomes[place] = outcome
        left = [place for place in left if outcomes[place].verdict is Verdict.CONFLICT]
    return tuple(outcomes)


Plant = Callable[[JobStorage, Clock], JobStorage]
STORAGES: dict[str, Plant] = {
    "fence": lambda inner, clock: FenceKept(inner),
    "precondition": lambda inner, clock: NoPrecondition(inner),
    "compare-and-set": lambda inner, clock: NoCompareAndSet(inner),
    "unclear-is-lost": lambda inner, clock: UnclearIsLost(inner),
    "unclear-is-won": lambda inner, clock: UnclearIsWon(inner),
    "own-wall-clock": OwnWallClock,
    "early-release": lambda inner, clock: ReleasedWhileRunning(inner),
    "silent-slot": lambda inner, clock: SlotPassedOver(inner),
}
LEASE_CHECK = "lease-check"
ALL = (*STORAGES, LEASE_CHECK)


def planted(defect: str, inner: JobStorage, clock: Clock) -> JobStorage:
    """`inner` with the defect in front of it; itself for "" and `lease-check`."""
    return STORAGES[defect](inner, clock) if defect in STORAGES else inner


def limits_with(defect: str, limits: Limits) -> Limits:
    """The limits, without their margin for `lease-check`: every lease then looks long enough."""
    return replace(limits, margin_seconds=-1e6) if defect == LEASE_CHECK else limits

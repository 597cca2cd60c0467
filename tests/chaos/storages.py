"""Storages around a real one: one that writes down what is asked, one that has faults.

An instance of the chaos suite sees service -> defect (if planted) -> recorder -> faults -> store.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.instants import maybe_text, to_text
from emonk_ops.tick.jobs import Job, Lease
from emonk_ops.tick.storage import (
    DriverRecord,
    DueAfter,
    DuePage,
    JobStorage,
    Lock,
    Outcome,
    Stored,
    Verdict,
    Write,
)
from tests.chaos.journal import Journal
from tests.chaos.points import AFTER_CLAIM, BEFORE_RECORD, Points

T = TypeVar("T")


class Passing:
    """Hands every call on to `inner`; subclasses change what they have to."""

    def __init__(self, inner: JobStorage) -> None:
        self.inner = inner

    @property
    def kind(self) -> str:
        return self.inner.kind

    async def open(self) -> None:
        await self.inner.open()

    async def close(self) -> None:
        await self.inner.close()

    async def ping(self) -> None:
        await self.inner.ping()

    async def clock(self) -> datetime:
        return await self.inner.clock()

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        return await self.inner.read_due(limit, after)

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return await self.inner.write(batch)

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        return await self.inner.get(ids)

    async def remove(self, stored: Stored) -> bool:
        return await self.inner.remove(stored)

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        return await self.inner.list_jobs(limit, after)

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        return await self.inner.lock(wanted)

    async def unlock(self, locks: Sequence[Lock]) -> None:
        await self.inner.unlock(locks)

    async def count_leases(self) -> int:
        return await self.inner.count_leases()

    async def driver(self) -> DriverRecord | None:
        return await self.inner.driver()

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        return await self.inner.set_driver(record, expected_epoch)


class Recorder(Passing):
    """Writes each claim and each end of a lease to the journal, and passes the named points."""

    def __init__(self, inner: JobStorage, journal: Journal, points: Points) -> None:
        super().__init__(inner)
        self._journal = journal
        self._points = points
        self._won: dict[tuple[str, int], Lease] = {}
        self._unclear: dict[tuple[str, int], Lease] = {}
        self._claimed: set[str] = set()

    def lease_of(self, job_id: str, fence: int) -> Lease | None:
        """The lease that was won here under this fence, or may have been."""
        place = (job_id, fence)
        return self._won.get(place) or self._unclear.get(place)

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        kinds = [self._kind(write.job) for write in batch]
        if "freed" in kinds:
            self._points.passed(BEFORE_RECORD)
        sent = time.monotonic()
        for write, kind in zip(batch, kinds, strict=True):
            # Of a process that dies now nobody could tell what it wrote.
            self._journal.write(
                "sending",
                what=kind,
                sent=sent,
                job_id=write.job.id,
                fence=write.job.fence,
                runs=_newest(write.job),
            )
        try:
            outcomes = await self.inner.write(batch)
        except StorageError as error:
            unclear = tuple(Outcome(Verdict.UNCLEAR, code=error.code) for _ in batch)
            self._record(batch, kinds, unclear, sent)
            raise
        self._record(batch, kinds, outcomes, sent)
        if "claim" in kinds:
            self._points.passed(AFTER_CLAIM)
        return outcomes

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        try:
            found = await self.inner.get(ids)
        except StorageError as error:
            self._journal.write("unread", ids=list(ids), mono=time.monotonic(), code=error.code)
            raise
        for stored in found:
            lease = None if stored is None else stored.job.lease
            if stored is not None and lease is not None and lease.id in self._claimed:
                self._won[(stored.job.id, stored.job.fence)] = lease
        return found

    def _kind(self, job: Job) -> str:
        lease = job.lease
        if lease is None:
            return "freed"
        if lease.id in self._claimed:
            return "once"
        return "claim"

    def _record(
        self,
        batch: Sequence[Write],
        kinds: Sequence[str],
        outcomes: Sequence[Outcome],
        sent: float,
    ) -> None:
        answered = time.monotonic()
        for write, kind, outcome in zip(batch, kinds, outcomes, strict=True):
            job = write.job
            if kind == "claim" and job.lease is not None and outcome.verdict != Verdict.CONFLICT:
                self._claimed.add(job.lease.id)
                known = self._won if outcome.verdict is Verdict.OK else self._unclear
                known[(job.id, job.fence)] = job.lease
            self._journal.write(
                kind,
                sent=sent,
                answered=answered,
                verdict=outcome.verdict.value,
                code=outcome.code,
                job_id=job.id,
                fence=job.fence,
                lease_id=None if job.lease is None else job.lease.id,
                lease_until=None if job.lease is None else to_text(job.lease.until),
                outcome=_ending_of(job) if kind == "freed" else "",
                slot=to_text(job.slot),
                due_at=maybe_text(job.due_at),
                runs=_newest(job),
            )


def _newest(job: Job) -> list[dict[str, Any]]:
    return [run.to_dict() for run in job.recent[-2:]]


def _ending_of(job: Job) -> str:
    """How a write without a lease leaves the job: what its newest run says, if it is a new one."""
    last = job.recent[-1] if job.recent else None
    if last is None:
        return "released"
    if last.outcome in ("skipped", "coalesced"):
        return last.outcome
    return last.outcome if last.fence == job.fence else "released"


class Faulty(Passing):
    """Refuses calls, or does them and loses the answer: some at random, some when armed.

    `rate()` is the chance of a fault at a call; a write may also be lost or refused by the points
    `write` and `get`.
    """

    CODES = ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED")

    def __init__(
        self,
        inner: JobStorage,
        journal: Journal,
        points: Points,
        rng: random.Random,
        rate: Callable[[], float],
    ) -> None:
        super().__init__(inner)
        self._journal = journal
        self._points = points
        self._rng = rng
        self._rate = rate

    async def ping(self) -> None:
        await self._call("ping", self.inner.ping)

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        return await self._call("read_due", lambda: self.inner.read_due(limit, after))

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return await self._call("write", lambda: self.inner.write(batch))

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        return await self._call("get", lambda: self.inner.get(ids))

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        return await self._call("lock", lambda: self.inner.lock(wanted))

    async def unlock(self, locks: Sequence[Lock]) -> None:
        await self._call("unlock", lambda: self.inner.unlock(locks))

    async def driver(self) -> DriverRecord | None:
        return await self._call("driver", self.inner.driver)

    async def _call(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        action = self._points.take(name) or self._drawn()
        if action:
            code = self._rng.choice(self.CODES)
            self._journal.write(
                "fault", fault=action, method=name, code=code, mono=time.monotonic()
            )
            if action == "refuse":
                raise _error(name, code, "refused on the way")
            await call()
            raise _error(name, code, "lost on the way back")
        return await call()

    def _drawn(self) -> str:
        if self._rng.random() >= self._rate():
            return ""
        return self._rng.choice(("refuse", "lose"))


def _error(name: str, code: str, said: str) -> StorageError:
    return StorageError(f"{name}: {said}.", code=code, transient=True)


def rate_file(path: Path) -> Callable[[], float]:
    """The number in the file, which the harness changes while instances run; 0 without one."""

    def rate() -> float:
        try:
            return float(path.read_text() or 0)
        except FileNotFoundError:
            return 0.0

    return rate

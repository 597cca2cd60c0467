"""One tick: rounds of poll, claim, start and complete, until nothing is due or the time is up.

A round is one query for due jobs, one batch of claims for no more than can start now, handlers
with bounded concurrency, and results in group commits. Everything is decided by the store's clock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick import logs, settlement
from emonk_ops.tick.completion import Completions
from emonk_ops.tick.driver import Path
from emonk_ops.tick.engine import Engine, Held, handler_timeout
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job, Lease
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.running import Running, release_of
from emonk_ops.tick.settlement import Left, Runnable, Settled
from emonk_ops.tick.storage import DueAfter, DuePage, Outcome, Stored, Verdict, Write
from emonk_ops.tick.tally import Tally
from emonk_ops.tick.ticks import TickReport

Candidate = tuple[Stored, Runnable | Settled]


class TickRun:
    """One tick on one path. `stop` ends the claiming, `cancel` the handlers too."""

    def __init__(self, engine: Engine, path: Path, tick_id: str) -> None:
        self._engine = engine
        self._path = path
        self._tick_id = tick_id
        self._opened = engine.clock.monotonic()
        self._meter = StorageMeter(engine.storage, engine.clock)
        self._tally = Tally(self._opened)
        self._completions = Completions(engine, self._meter, self._tally)
        self._buffer: deque[Candidate] = deque()
        self._left: set[str] = set()
        self._after: DueAfter | None = None
        self._drained = False
        self._stopped = False
        self._gave_up = False
        self._running = Running(engine, self._meter, self._tally, path)

    @property
    def running(self) -> int:
        """How many handlers run now."""
        return len(self._running)

    def stop(self) -> None:
        """Claim no more."""
        self._stopped = True

    def cancel(self) -> None:
        """Claim no more, and cancel the handlers; those that acknowledge give their lease back."""
        self._stopped = True
        self._running.cancel()

    async def run(self) -> TickReport:
        """Run to the end. Storage errors are counted, never raised."""
        while True:
            # Results set out before the next claims, with which they can share a call.
            self._completions.begin()
            await self._fill()
            waiting = self._waiting()
            if not waiting:
                break
            await self._engine.clock.wait(waiting)
            for ending in self._running.harvest():
                self._completions.add(ending)
        self._running.close()
        return self._tally.report(
            self._engine.clock.monotonic(),
            self._meter,
            self._engine.driver,
            tick_id=self._tick_id,
            path=self._path.value,
        )

    async def _fill(self) -> None:
        while (free := self._engine.limits.concurrency - len(self._running)) > 0:
            if not await self._may_go_on():
                more = bool(self._buffer) or not self._drained or self._completions.due_again
                self._tally.more_due = more
                self._buffer.clear()
                return
            if not self._buffer and not await self._poll():
                return
            await self._claim(self._choose(free))

    async def _may_go_on(self) -> bool:
        spent = self._engine.clock.monotonic() - self._opened
        if self._stopped or self._gave_up or spent >= self._engine.limits.tick_budget_seconds:
            return False
        try:
            return await self._engine.driver.may_claim(self._path)
        except StorageError as error:
            self._failed("the driver could not be read", error)
            return False

    async def _poll(self) -> bool:
        """Refill the buffer; False when nothing is due, or the poll failed."""
        if self._completions.due_again:
            self._completions.due_again = False
            self._drained, self._after = False, None
        while not self._drained and not self._buffer:
            limit = self._engine.limits.page
            try:
                page = await self._meter.read_due(limit, self._after)
            except StorageError as error:
                self._drained = True
                self._failed("due jobs could not be read", error)
                return False
            self._drained = len(page.jobs) < limit
            self._sort_in(page)
        return bool(self._buffer)

    def _failed(self, what: str, error: StorageError) -> None:
        self._tally.poll_failed = True
        self._engine.log.error(
            logs.STORAGE_FAILED,
            what=what,
            code=error.code,
            transient=error.transient,
            error=str(error),
        )

    def _sort_in(self, page: DuePage) -> None:
        self._tally.add("jobs_checked", len(page.jobs))
        now, known = self._meter.now(), frozenset(self._engine.registry.types)
        for stored in page.jobs:
            found = settlement.judge(stored.job, now, known)
            if not isinstance(found, Left):
                self._buffer.append((stored, found))
                self._tally.add("jobs_due")
                continue
            if found.reason == "unknown type" and stored.job.id not in self._left:
                self._left.add(stored.job.id)
                self._tally.add("unresolved")
                self._engine.log.warning(
                    logs.JOB_UNRESOLVED, job_id=stored.job.id, job_type=stored.job.type
                )
            if stored.job.due_at is not None:
                self._after = DueAfter(stored.job.due_at, stored.job.id)

    def _choose(self, free: int) -> list[Candidate]:
        chosen: list[Candidate] = []
        while self._buffer and free > 0:
            candidate = self._buffer.popleft()
            chosen.append(candidate)
            if isinstance(candidate[1], Runnable):
                free -= 1
        return chosen

    async def _claim(self, chosen: list[Candidate]) -> None:
        until = self._meter.now() + timedelta(seconds=self._engine.limits.lease_seconds)
        writes = [self._write_of(stored, found, until) for stored, found in chosen]
        outcomes = await self._meter.write(writes)
        taken = await self._taken(writes, outcomes)
        codes = {outcome.code for outcome in outcomes if outcome.verdict is Verdict.UNCLEAR}
        if codes and not any(taken):
            # Reads work and writes do not: further rounds would only fail again.
            self._gave_up = True
            self._engine.log.error(
                logs.STORAGE_FAILED, what="nothing could be claimed", code=", ".join(codes)
            )
            return
        for (_, found), stored in zip(chosen, taken, strict=True):
            if stored is None:
                self._tally.add("lost_race")
            elif isinstance(found, Settled):
                self._settled(found, stored.job)
            else:
                self._claimed(found, stored)

    def _write_of(self, stored: Stored, found: Runnable | Settled, until: datetime) -> Write:
        if isinstance(found, Settled):
            return Write(found.job, stored.version, stored.job)
        lease = Lease(Lease.fresh_id(), f"{self._engine.instance}/{self._tick_id}", until)
        return Write(settlement.claim(found.job, lease), stored.version, stored.job)

    async def _taken(
        self, writes: list[Write], outcomes: tuple[Outcome, ...]
    ) -> list[Stored | None]:
        """The job of each write that was made, read back where the answer was unclear."""
        unclear = [
            write.job.id
            for write, outcome in zip(writes, outcomes, strict=True)
            if outcome.verdict is Verdict.UNCLEAR
        ]
        read: dict[str, Stored] = {}
        if unclear:
            try:
                found = await self._meter.get(unclear)
                read = {stored.job.id: stored for stored in found if stored is not None}
            except StorageError as error:
                self._failed("unclear claims could not be read back", error)
        taken: list[Stored | None] = []
        for write, outcome in zip(writes, outcomes, strict=True):
            if outcome.verdict is Verdict.UNCLEAR:
                stored = read.get(write.job.id)
                taken.append(stored if stored and _is_ours(stored, write) else None)
            else:
                made = outcome.verdict is Verdict.OK
                taken.append(Stored(write.job, outcome.version) if made else None)
        return taken

    def _settled(self, found: Settled, job: Job) -> None:
        if found.reason == "dead":
            self._tally.add("dead")
            self._engine.log.error(logs.JOB_DEAD, job_id=job.id, reason=job.recent[-1].reason)
        elif found.skipped:
            self._tally.add("skipped", found.skipped)
            self._engine.log.notice(logs.JOB_SKIPPED, job_id=job.id, count=found.skipped)
        if job.due_at is not None and job.due_at <= self._meter.now():
            self._completions.due_again = True

    def _claimed(self, found: Runnable, stored: Stored) -> None:
        job = stored.job
        if job.lease is None:
            raise RuntimeError(f"job {job.id} was claimed without a lease")
        held = Held(stored, job.lease.id)
        if found.rescued:
            self._tally.add("rescued")
            self._engine.log.warning(logs.JOB_RESCUED, job_id=job.id, fence=job.fence)
        if found.coalesced:
            self._tally.add("coalesced", found.coalesced)
            self._engine.log.notice(logs.JOB_COALESCED, job_id=job.id, count=found.coalesced)
        timeout = handler_timeout(job, self._engine.limits)
        left = (job.lease.until - self._meter.now()).total_seconds()
        if self._stopped:
            self._completions.add(release_of(held, "shutdown"))
        elif left <= timeout + self._engine.limits.margin_seconds:
            self._completions.add(release_of(held, "the claim took too long"))
        else:
            self._running.start(held, timeout)

    def _waiting(self) -> list[asyncio.Task[Any]]:
        commit = self._completions.begin()
        return [*self._running.waiting(), *([] if commit is None else [commit])]


def _is_ours(stored: Stored, write: Write) -> bool:
    lease = stored.job.lease
    if write.job.lease is None or lease is None:
        return stored.job == write.job
    return lease.id == write.job.lease.id

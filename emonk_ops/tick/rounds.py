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
from emonk_ops.tick.claiming import Candidate, claim_of, taken_of
from emonk_ops.tick.completion import Completions
from emonk_ops.tick.driver import Path
from emonk_ops.tick.engine import Engine, Held, handler_timeout
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.keys import Keys
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.running import Running, release_of
from emonk_ops.tick.settlement import Judgement, Left, Runnable, Settled
from emonk_ops.tick.shadow import Turn
from emonk_ops.tick.storage import DueAfter, DuePage, Stored, Verdict
from emonk_ops.tick.tally import Tally
from emonk_ops.tick.ticks import TickReport


class TickRun:
    """One tick on one path. `stop` ends the claiming, `cancel` the handlers too."""

    def __init__(self, engine: Engine, path: Path, tick_id: str) -> None:
        self._engine = engine
        self._path = path
        self._tick_id = tick_id
        self._opened = engine.clock.monotonic()
        self._meter = StorageMeter(engine.storage, engine.clock)
        self._tally = Tally(self._opened)
        self._keys = Keys(self._meter, engine.log, engine.limits.page)
        self._turn = Turn(engine.shadow, path, tick_id, self._tally)
        self._completions = Completions(engine, self._meter, self._tally, self._keys, self._turn)
        self._buffer: deque[Candidate] = deque()
        self._left: set[str] = set()
        self._after: DueAfter | None = None
        self._drained = False
        self._stopped = False
        self._gave_up = False
        self._running = Running(engine, self._meter, self._tally, self._keys, path, self._turn)

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
        self._tally.add("key_busy", self._keys.left)
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
                # Asked again while the last results are written, when the buffer is empty already.
                self._tally.more_due |= more or self._keys.waiting
                runnable = [s.job for s, found in self._buffer if isinstance(found, Runnable)]
                await self._keys.free(runnable)
                self._buffer.clear()
                return
            await self._line_up()
            if not self._buffer and not await self._poll():
                return
            await self._claim(self._choose(free))

    async def _may_go_on(self) -> bool:
        if self._stopped or self._gave_up or self._out_of_time():
            return False
        try:
            return await self._engine.driver.may_claim(self._path)
        except StorageError as error:
            self._failed("the driver could not be read", error)
            return False

    def _out_of_time(self) -> bool:
        spent = self._engine.clock.monotonic() - self._opened
        return spent >= self._engine.limits.tick_budget_seconds

    async def _poll(self) -> bool:
        """Refill the buffer; False when nothing is due, the poll failed, or the time is up."""
        if self._keys.poll_again() or self._completions.due_again:
            self._completions.due_again = False
            self._drained, self._after = False, None
        while not self._drained and not self._buffer:
            if self._out_of_time():
                self._tally.more_due = True
                return False
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

    async def _line_up(self) -> None:
        """Put those first that waited for a key which is free now."""
        for stored in self._keys.next_in_line():
            found = self._judge(stored.job, self._meter.now())
            if not isinstance(found, Runnable):
                await self._keys.free([stored.job])
            if not isinstance(found, Left):
                self._buffer.appendleft((stored, found))
                self._tally.add("jobs_due")

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
            found = self._turn.judge(stored.job, found, now)
            if isinstance(found, Runnable) and self._keys.passes_over(stored):
                found = Left("key busy")
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

    def _judge(self, job: Job, now: datetime) -> Judgement:
        return settlement.judge(job, now, self._engine.registry.types)

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
        by = f"{self._engine.instance}/{self._tick_id}"
        writes = [claim_of(candidate, by, until) for candidate in chosen]
        if refused := await self._keys.lock([write.job for write in writes]):
            chosen = [one for one in chosen if one[0].job.id not in refused]
            writes = [write for write in writes if write.job.id not in refused]
        outcomes = await self._meter.write(writes) if writes else ()
        taken = await taken_of(writes, outcomes, self._meter)
        if taken.error is not None:
            self._failed("unclear claims could not be read back", taken.error)
        await self._keys.settle(writes, taken)
        codes = {outcome.code for outcome in outcomes if outcome.verdict is Verdict.UNCLEAR}
        if codes and not any(taken.jobs):
            # Reads work and writes do not: further rounds would only fail again.
            self._gave_up = True
            self._engine.log.error(
                logs.STORAGE_FAILED, what="nothing could be claimed", code=", ".join(codes)
            )
            return
        now = self._meter.now()
        for (polled, found), stored in zip(chosen, taken.jobs, strict=True):
            if stored is None:
                self._tally.add("lost_race")
                self._turn.lost(polled.job, now)
            elif isinstance(found, Settled):
                self._turn.settled(found, polled.job, now)
                self._settled(found, stored.job)
            else:
                self._turn.claimed(found, polled.job, stored.job, now)
                self._claimed(found, stored)

    def _settled(self, found: Settled, job: Job) -> None:
        if found.reason == "dead":
            self._tally.add("dead")
            self._engine.log.error(logs.JOB_DEAD, reason=job.recent[-1].reason, **_passed(job))
        elif found.skipped:
            self._skipped(job, found.skipped)
        self._completions.note_due(job)

    def _skipped(self, job: Job, count: int) -> None:
        reason = job.recent[-1].reason
        self._tally.add("skipped", count)
        self._engine.log.notice(logs.JOB_SKIPPED, reason=reason, **_passed(job))

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
            self._engine.log.notice(logs.JOB_COALESCED, **_passed(job))
        if found.skipped:
            self._skipped(job, found.skipped)
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


def _passed(job: Job) -> dict[str, Any]:
    """What the run put on record last says of the slots that it ended."""
    run = job.recent[-1]
    return {"job_id": job.id, "slot": run.slot, "count": run.count, "through": run.through}

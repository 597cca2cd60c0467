"""Results on their way to the store: group commits by compare-and-set, and what a lost one means.

A commit starts when the last one has ended, with all results that came meanwhile; so a slow
sibling holds nobody, and a round of many jobs costs few calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick import logs
from emonk_ops.tick.engine import TRIES, Engine, Held
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job, Run
from emonk_ops.tick.keys import Keys
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.storage import Verdict, Write
from emonk_ops.tick.tally import Tally

FIRST_PAUSE_SECONDS = 0.2


@dataclass
class Ending:
    """How a held job ended, and what that makes of it; tried again while the answer is unclear.

    `unclear` stays set once a write of it got no answer: a later one may be refused because of it.
    """

    held: Held
    kind: str
    settle: Callable[[Job, datetime], Job]
    reason: str = ""
    tries: int = 0
    unclear: bool = False


class Completions:
    """The pending results of one tick."""

    def __init__(self, engine: Engine, meter: StorageMeter, tally: Tally, keys: Keys) -> None:
        self._engine = engine
        self._meter = meter
        self._tally = tally
        self._keys = keys
        self._over: list[Job] = []
        self._pending: list[Ending] = []
        self._commit: asyncio.Task[None] | None = None
        self.due_again = False

    def add(self, ending: Ending) -> None:
        """Have the result written with the next commit."""
        self._pending.append(ending)

    def begin(self) -> asyncio.Task[None] | None:
        """The commit under way; a new one if there are results and the last one has ended."""
        if self._commit is not None and self._commit.done():
            self._commit.result()
            self._commit = None
        if self._commit is None and self._pending:
            batch, self._pending = self._pending, []
            self._commit = self._engine.clock.start(self._write(batch), name="group-commit")
        return self._commit

    async def _write(self, batch: list[Ending]) -> None:
        now = self._meter.now()
        jobs = [ending.settle(ending.held.job, now) for ending in batch]
        outcomes = await self._meter.write(
            [
                Write(job, ending.held.stored.version)
                for job, ending in zip(jobs, batch, strict=True)
            ]
        )
        doubtful: list[Ending] = []
        for ending, job, outcome in zip(batch, jobs, outcomes, strict=True):
            if outcome.verdict is Verdict.OK:
                self._recorded(ending, job)
            else:
                ending.unclear |= outcome.verdict is Verdict.UNCLEAR
                doubtful.append(ending)
        await self._free()
        if doubtful:
            await self._read_back(doubtful)

    async def _read_back(self, doubtful: list[Ending]) -> None:
        try:
            read = await self._meter.get([ending.held.job.id for ending in doubtful])
        except StorageError as error:
            await self._try_later(doubtful, str(error))
            return
        again = []
        for ending, stored in zip(doubtful, read, strict=True):
            if stored is not None and ending.held.is_mine(stored):
                ending.held.stored = stored
                again.append(ending)
            elif stored is not None and _was_applied(ending, stored.job):
                self._recorded(ending, stored.job)
            else:
                self._stale(ending)
        await self._free()
        if again:
            await self._try_later(again, "the write was refused or unclear")

    async def _free(self) -> None:
        over, self._over = self._over, []
        await self._keys.free(over)

    async def _try_later(self, endings: list[Ending], reason: str) -> None:
        for ending in endings:
            ending.tries += 1
            if ending.tries < TRIES:
                self._pending.append(ending)
            else:
                self._unrecorded(ending, reason)
        tries = max(ending.tries for ending in endings)
        if tries > 1 and self._pending:
            pause = timedelta(seconds=FIRST_PAUSE_SECONDS * 2 ** (tries - 2))
            await self._engine.clock.sleep_until(self._engine.clock.now() + pause)

    def _recorded(self, ending: Ending, job: Job) -> None:
        entry = _entry(ending.held.job)
        self._over.append(ending.held.job)
        if job.due_at is not None and job.due_at <= self._meter.now():
            self.due_again = True
        if ending.kind == "succeeded":
            self._tally.add("jobs_succeeded")
            self._engine.log.info(logs.JOB_SUCCEEDED, **entry)
        elif ending.kind == "released":
            if ending.held.started:
                self._tally.add("released")
            self._engine.log.notice(logs.JOB_RELEASED, reason=ending.reason, **entry)
        else:
            self._tally.add("jobs_failed")
            dead = any(run.outcome == "dead" for run in _runs_of(ending, job))
            self._tally.add("dead" if dead else "retried")
            if dead:
                self._engine.log.error(logs.JOB_DEAD, reason=ending.reason, **entry)

    def _stale(self, ending: Ending) -> None:
        self._over.append(ending.held.job)
        self._tally.add("stale_completion")
        self._engine.log.warning(
            logs.STALE_COMPLETION, outcome=ending.kind, **_entry(ending.held.job)
        )

    def _unrecorded(self, ending: Ending, reason: str) -> None:
        # The lease stays: when it expires, the slot runs again under the same key.
        if ending.held.started:
            self._tally.add("jobs_failed")
        self._tally.errors["ResultNotRecorded"] += 1
        self._engine.log.error(
            logs.STORAGE_FAILED,
            what="a result could not be recorded",
            reason=reason,
            outcome=ending.kind,
            **_entry(ending.held.job),
        )


def _was_applied(ending: Ending, job: Job) -> bool:
    """Whether the end that nobody confirmed is on record, whoever came after it."""
    if not ending.held.started:
        # No handler ran, so there is no run to find, and none that could be stale.
        return True
    return ending.unclear and bool(_runs_of(ending, job))


def _runs_of(ending: Ending, job: Job) -> list[Run]:
    # The reason tells our own record from a sibling's, who found the lease expired.
    held = ending.held.job
    ours = (held.slot, held.fence, ending.reason)
    return [run for run in job.recent if (run.slot, run.fence, run.reason) == ours]


def _entry(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.id,
        "job_type": job.type,
        "slot": job.slot,
        "fence": job.fence,
        "attempt": job.attempt,
        "idempotency_key": job.idempotency_key,
    }

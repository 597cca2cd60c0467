"""The dispatcher: runs each enabled job at its slots, never two scheduled runs of one at once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.sandbox.scheduler.attempts import Attempts
from emonk_ops.sandbox.scheduler.execution_log import finished_entry, started_entry
from emonk_ops.sandbox.scheduler.outcomes import Outcome
from emonk_ops.sandbox.scheduler.retries import backoff_before, may_retry
from emonk_ops.sandbox.scheduler.slots import dispatch_offset, next_slot
from emonk_ops.sandbox.scheduler.state import Jobs, is_enabled
from emonk_ops.sandbox.world import World

DEFAULT_OFFSET_SECONDS = (0.02, 0.3)
MAX_OFFSET_SECONDS = 30.0


@dataclass(frozen=True)
class Run:
    """One execution of a raw Job: its slot, and the time its request was due after the offset."""

    job: Any
    slot: datetime
    scheduled: datetime
    forced: bool


class Dispatcher:
    """Follows every enabled job from slot to slot on the world's clock.

    A slot that passes while its job still runs or retries, or while the sandbox is down, is
    skipped: after an execution the job waits for the next slot from then.
    """

    def __init__(self, world: World, jobs: Jobs) -> None:
        self._world = world
        self._jobs = jobs
        self._attempts = Attempts(world.clock, world.oidc, world.http)
        self._seed = world.rng.getrandbits(32)
        self._offset = DEFAULT_OFFSET_SECONDS
        self._following: dict[str, asyncio.Task[None]] = {}
        self._scheduled: dict[str, asyncio.Task[None]] = {}
        self._executions: set[asyncio.Task[None]] = set()
        self._doubled: Counter[str] = Counter()

    def duplicate(self, name: str, times: int) -> None:
        """Deliver the next `times` scheduled runs of a job twice, at the same time."""
        self._doubled[name] += times

    def set_offset(self, low: float, high: float) -> None:
        """Dispatch `low` to `high` seconds after each slot, from the next slot on.

        The platform was seen at 5 to 8 s. Raises ValueError outside 0 <= low <= high <= 30.
        """
        if not 0 <= low <= high <= MAX_OFFSET_SECONDS:
            raise ValueError(f"offset must satisfy 0 <= low <= high <= {MAX_OFFSET_SECONDS:g} s")
        self._offset = (low, high)

    def start(self) -> None:
        """Follow every enabled job from now on; slots that passed meanwhile are not made up."""
        for job in self._jobs.under():
            if is_enabled(job):
                self.follow(job.name)

    async def stop(self) -> None:
        """Give up waiting and cut off what is in flight."""
        tasks = {*self._following.values(), *self._executions}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._following.clear()
        self._scheduled.clear()

    def follow(self, name: str) -> None:
        """Begin, or begin anew after a change, to run a job at its slots."""
        self.leave(name)
        self._jobs.note_schedule(name, self._next_time(name, self._world.clock.now()))
        self._following[name] = self._world.spawn(self._follow(name), f"scheduler {name}")

    def leave(self, name: str) -> None:
        """Stop running a job at its slots; an attempt in flight goes on to its end."""
        if (task := self._following.pop(name, None)) is not None:
            task.cancel()

    def run_now(self, name: str) -> None:
        """Dispatch a job at once, although it may be running already."""
        now = self._world.clock.now()
        self._execute(Run(self._jobs.get(name), now, now, forced=True))

    async def _follow(self, name: str) -> None:
        clock = self._world.clock
        if (running := self._scheduled.get(name)) is not None:
            await asyncio.wait({running})
        after = clock.now()
        while (slot := self._next_slot(name, after)) is not None:
            when = slot + dispatch_offset(slot, name, self._seed, self._offset)
            self._jobs.note_schedule(name, when)
            await clock.sleep_until(when)
            run = Run(self._jobs.get(name), slot, when, forced=False)
            execution = self._execute(run)
            if self._doubled[name] > 0:
                self._doubled[name] -= 1
                self._execute(run)
            self._scheduled[name] = execution
            await asyncio.wait({execution})
            self._scheduled.pop(name, None)
            after = max(slot, clock.now())
        self._jobs.note_schedule(name, None)

    def _next_slot(self, name: str, after: datetime) -> datetime | None:
        job = self._jobs.find(name)
        if job is None or not is_enabled(job):
            return None
        return next_slot(job.schedule, job.time_zone, after)

    def _next_time(self, name: str, after: datetime) -> datetime | None:
        slot = self._next_slot(name, after)
        return slot and slot + dispatch_offset(slot, name, self._seed, self._offset)

    def _execute(self, run: Run) -> asyncio.Task[None]:
        task = self._world.spawn(self._execution(run), f"execution of {run.job.name}")
        self._executions.add(task)
        task.add_done_callback(self._executions.discard)
        return task

    async def _execution(self, run: Run) -> None:
        """An attempt, and its retries. The job is as it was when the execution began."""
        clock, job = self._world.clock, run.job
        began = clock.now()
        retries = 0
        while not (await self._one_attempt(run)).succeeded:
            if not may_retry(job.retry_config, retries, clock.now() - began):
                return
            await clock.sleep_until(clock.now() + backoff_before(job.retry_config, retries))
            retries += 1
            current = self._jobs.find(job.name)
            if current is None or not (run.forced or is_enabled(current)):
                return

    async def _one_attempt(self, run: Run) -> Outcome:
        world, job = self._world, run.job
        with world.clock.busy(f"scheduler {job.name}") as hold:
            self._jobs.note_attempt(job.name, world.clock.now())
            world.logs.write([started_entry(job, run.scheduled, world.clock.now())])
            outcome = await self._attempts.attempt(job, run.slot, hold)
            self._jobs.note_outcome(job.name, outcome)
            world.logs.write([finished_entry(job, outcome, world.clock.now())])
            return outcome

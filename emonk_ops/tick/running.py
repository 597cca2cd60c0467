"""The handlers of one tick: started, timed out, cancelled, and what each run ended as."""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick import logs, settlement
from emonk_ops.tick.completion import Ending
from emonk_ops.tick.driver import Path
from emonk_ops.tick.engine import Engine, Held, context_of
from emonk_ops.tick.handlers import Handler, HandlerContext
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.keys import Keys
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.renewal import Renewal, renew, renewal_period
from emonk_ops.tick.tally import Tally
from emonk_ops.tick.texts import encodable, plain_json, said_by

STUCK_SECONDS = 5.0


class Running:
    """Handlers under way, with their time limits and renewals; one alarm serves them all."""

    def __init__(
        self, engine: Engine, meter: StorageMeter, tally: Tally, keys: Keys, path: Path
    ) -> None:
        self._engine = engine
        self._meter = meter
        self._tally = tally
        self._keys = keys
        self._path = path
        self._held: dict[asyncio.Task[Any], Held] = {}
        self._alarm: tuple[float, asyncio.Task[None]] | None = None

    def __len__(self) -> int:
        return len(self._held)

    def start(self, held: Held, timeout: float) -> None:
        """Run the handler of a job just claimed, for at most `timeout` seconds."""
        clock, job = self._engine.clock, held.job
        deadline = clock.now() + timedelta(seconds=timeout)
        context = context_of(held, self._engine, self._meter, deadline)
        context.log.info(logs.EXECUTING_JOB.format(id=job.id), path=self._path.value)
        held.started = True
        held.cancel_at = clock.monotonic() + timeout
        period = renewal_period(timeout, self._engine.limits)
        held.renew_at = math.inf if period is None else clock.monotonic() + period
        self._tally.handler_began(clock.monotonic(), job.slot, self._meter.now())
        handler = self._engine.registry.get(job.type)
        task = clock.start(_call(handler, context), name=f"job {job.id}")
        held.task = task
        self._held[task] = held

    def waiting(self) -> list[asyncio.Task[Any]]:
        """What to wait for: every handler, every renewal and the next time limit."""
        renewals = [held.renewal for held in self._held.values() if held.renewal is not None]
        # A handler that ended during a renewal is settled after it.
        handlers = [task for task, held in self._held.items() if not _settling(task, held)]
        alarm = [self._next_alarm()] if any(not task.done() for task in self._held) else []
        return [*handlers, *renewals, *alarm]

    def harvest(self) -> list[Ending]:
        """How those that are done ended; those over their limit are cancelled."""
        for held in self._held.values():
            if held.renewal is not None and held.renewal.done():
                self._renewed(held, held.renewal.result())
        endings = []
        for task in [task for task, held in self._held.items() if _ended(task, held)]:
            held = self._held.pop(task)
            self._tally.handler_ended(self._engine.clock.monotonic())
            endings.append(self._ending(held, task))
        now = self._engine.clock.monotonic()
        for task, held in list(self._held.items()):
            if held.cancel_at <= now and not task.done():
                self._overdue(task, held)
            elif held.renew_at <= now:
                self._renew(held)
        return endings

    def cancel(self) -> None:
        """Cancel every handler, for the service is going down."""
        for task, held in self._held.items():
            held.shutting_down = True
            task.cancel()

    def close(self) -> None:
        """Put the alarm off."""
        if self._alarm is not None:
            self._alarm[1].cancel()

    def _next_alarm(self) -> asyncio.Task[None]:
        running = [held for task, held in self._held.items() if not task.done()]
        when = min(min(held.cancel_at, held.renew_at) for held in running)
        if self._alarm is not None:
            at, task = self._alarm
            if at == when and not task.done():
                return task
            task.cancel()
        clock = self._engine.clock
        wake = clock.now() + timedelta(seconds=max(0.0, when - clock.monotonic()))
        task = clock.start(clock.sleep_until(wake), name="handler-timeout")
        self._alarm = (when, task)
        return task

    def _renew(self, held: Held) -> None:
        held.renew_at = math.inf
        work = renew(held, self._engine, self._meter, self._keys)
        held.renewal = self._engine.clock.start(work, name=f"renewal of {held.job.id}")

    def _renewed(self, held: Held, outcome: Renewal) -> None:
        held.renewal = None
        now = self._engine.clock.monotonic()
        if outcome is Renewal.LOST:
            held.lost = True
            held.cancel_at = held.cancel_at if held.timed_out else now
            job = held.job
            self._engine.log.warning(logs.LEASE_LOST, job_id=job.id, fence=job.fence)
            return
        if outcome is Renewal.RENEWED:
            self._tally.add("renewed")
        held.renew_at = math.inf if held.timed_out else now + self._engine.limits.lease_seconds / 3

    def _overdue(self, task: asyncio.Task[Any], held: Held) -> None:
        if not held.timed_out:
            held.timed_out = True
            held.renew_at = math.inf
            held.cancel_at += STUCK_SECONDS
            task.cancel()
            return
        # It ignores its cancellation: nobody can say what it does, so the lease has to expire.
        del self._held[task]
        if held.renewal is not None:
            held.renewal.cancel()
        self._tally.handler_ended(self._engine.clock.monotonic())
        self._tally.add("jobs_failed")
        self._tally.errors["HandlerStuck"] += 1
        self._engine.log.error(logs.JOB_FAILED, job_id=held.job.id, error_type="HandlerStuck")

    def _ending(self, held: Held, task: asyncio.Task[Any]) -> Ending:
        if task.cancelled():
            if held.lost:
                return release_of(held, "the lease was lost")
            if held.timed_out:
                return self._failure(held, "HandlerTimeout", "the handler took too long", None)
            return release_of(held, "shutdown" if held.shutting_down else "cancelled")
        error = task.exception()
        if error is not None:
            return self._failure(held, type(error).__name__, said_by(error), error)
        try:
            result = _written(task.result())
        except ValueError as unwritten:
            said = f"the handler's result is not JSON: {unwritten}"
            return self._failure(held, "InvalidResult", said, None)

        def settle(job: Job, now: datetime) -> Job:
            return settlement.after_success(job, now, result)

        return Ending(held, "succeeded", settle)

    def _failure(self, held: Held, kind: str, said: str, error: BaseException | None) -> Ending:
        self._tally.errors[kind] += 1
        jitter = self._engine.rng.random()
        reason = encodable(f"{kind}: {said}")
        self._engine.log.error(
            logs.JOB_FAILED,
            error,
            job_id=held.job.id,
            job_type=held.job.type,
            fence=held.job.fence,
            attempt=held.job.attempt,
            reason=reason,
        )

        def settle(job: Job, now: datetime) -> Job:
            return settlement.after_failure(job, now, reason, jitter)

        return Ending(held, "failed", settle, reason)


def _settling(task: asyncio.Task[Any], held: Held) -> bool:
    return task.done() and held.renewal is not None


def _ended(task: asyncio.Task[Any], held: Held) -> bool:
    return task.done() and held.renewal is None


def release_of(held: Held, reason: str) -> Ending:
    """Give the job back unfinished, or not even started."""
    refund = held.shutting_down or not held.started

    def settle(job: Job, now: datetime) -> Job:
        return settlement.after_release(job, now, reason, started=held.started, refund=refund)

    return Ending(held, "released", settle, reason)


def _written(result: Any) -> dict[str, Any] | None:
    return None if result is None else plain_json(result)


async def _call(handler: Handler, context: HandlerContext) -> Any:
    return await handler(context)

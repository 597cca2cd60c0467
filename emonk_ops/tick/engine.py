"""What every tick of one scheduler shares: collaborators, limits and the jobs it holds."""

from __future__ import annotations

import asyncio
import math
import random
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.driver import Driver
from emonk_ops.tick.errors import JobConflict, SettingsError, StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.storage import JobStorage, Stored, Verdict, Write
from emonk_ops.tick.texts import encodable

TRIES = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, save `concurrency` (handlers at once in a tick) and `page` (jobs in a poll).

    Raises SettingsError where a handler could outlive its lease: no handler would ever start.
    """

    lease_seconds: float = 300.0
    handler_timeout_seconds: float = 50.0
    tick_budget_seconds: float = 55.0
    margin_seconds: float = 15.0
    concurrency: int = 20
    page: int = 200

    def __post_init__(self) -> None:
        if self.handler_timeout_seconds + self.margin_seconds >= self.lease_seconds:
            raise SettingsError(
                (
                    f"handler_timeout_seconds={self.handler_timeout_seconds:g} and "
                    f"margin_seconds={self.margin_seconds:g} reach "
                    f"lease_seconds={self.lease_seconds:g}: a handler could outlive its lease",
                )
            )


@dataclass(frozen=True)
class Engine:
    """The parts that ticks work with."""

    storage: JobStorage
    clock: Clock
    log: Log
    registry: HandlerRegistry
    driver: Driver
    limits: Limits
    rng: random.Random
    instance: str


@dataclass
class Held:
    """A job this tick holds the lease of. `stored` follows every write made for it.

    `renewal` is under way while it is set. Instants are monotonic seconds of the clock.
    """

    stored: Stored
    lease_id: str
    task: asyncio.Task[Any] | None = None
    cancel_at: float = 0.0
    renew_at: float = math.inf
    renewal: asyncio.Task[Any] | None = None
    lost: bool = False
    timed_out: bool = False
    shutting_down: bool = False
    started: bool = field(default=False)

    @property
    def job(self) -> Job:
        return self.stored.job

    def is_mine(self, stored: Stored | None) -> bool:
        """Whether the job as read back is still in this lease's hands."""
        held = None if stored is None else stored.job.lease
        return held is not None and held.id == self.lease_id


def context_of(
    held: Held, engine: Engine, meter: StorageMeter, deadline: datetime
) -> HandlerContext:
    """What the handler of `held` gets to know."""
    job = held.job

    async def once(effect: str) -> bool:
        return await begin_effect(held, encodable(effect), meter)

    return HandlerContext(
        job_id=job.id,
        job_type=job.type,
        payload=job.payload,
        slot=job.slot,
        fence=job.fence,
        attempt=job.attempt,
        idempotency_key=job.idempotency_key,
        deadline=deadline,
        clock=engine.clock,
        log=engine.log.bind(
            job_id=job.id,
            job_type=job.type,
            slot=job.slot,
            fence=job.fence,
            attempt=job.attempt,
            idempotency_key=job.idempotency_key,
        ),
        once=once,
    )


async def begin_effect(held: Held, effect: str, meter: StorageMeter) -> bool:
    """Record that `effect` begins; False when an attempt at this slot began it before.

    Raises JobConflict when the lease is lost, StorageError when the store cannot say.
    """
    unclear = False
    for _ in range(TRIES):
        job = held.job
        if effect in job.effects:
            return False
        begun = replace(job, effects={**job.effects, effect: job.fence})
        (outcome,) = await meter.write([Write(begun, held.stored.version)])
        if outcome.verdict is Verdict.OK:
            held.stored = Stored(begun, outcome.version)
            return True
        (fresh,) = await meter.get([job.id])
        if fresh is None or not held.is_mine(fresh):
            raise JobConflict(f"job {job.id} is no longer ours: '{effect}' must not begin.")
        held.stored = fresh
        # A write that was given up may be made later, and then refuse the one after it.
        unclear |= outcome.verdict is Verdict.UNCLEAR
        if unclear and fresh.job.effects.get(effect) == job.fence:
            return True
    raise StorageError(
        f"job {held.job.id}: '{effect}' could not be recorded.", code="ABORTED", transient=True
    )


def handler_timeout(job: Job, limits: Limits) -> float:
    """Seconds the job's handler may take: its own limit, never more than the service's."""
    own = job.timeout_seconds
    most = limits.handler_timeout_seconds
    return most if own is None else min(own, most)

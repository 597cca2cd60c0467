"""Handlers whose every step is in a log that the service knows nothing of.

Payload: `work` seconds in all, half of them before the effect; `fail` is the chance of a failure
after the effect; `once` guards the effect with the context's ledger.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.instants import to_text
from emonk_ops.tick.jobs import Lease
from tests.chaos.journal import Journal
from tests.chaos.points import AFTER_EFFECT, Points

WORK = "work"
LeaseOf = Callable[[str, int], Lease | None]


class BadLuck(Exception):
    """A failure that the seed wanted."""


class Step:
    """Writes the steps of one run, each with all that identifies it."""

    def __init__(self, journal: Journal, context: HandlerContext, lease_id: str) -> None:
        self._journal = journal
        self._context = context
        self._lease_id = lease_id

    def write(self, kind: str, **fields: object) -> None:
        self._journal.write(
            kind,
            mono=time.monotonic(),
            job_id=self._context.job_id,
            slot=to_text(self._context.slot),
            fence=self._context.fence,
            attempt=self._context.attempt,
            key=self._context.idempotency_key,
            lease_id=self._lease_id,
            **fields,
        )


class Worker:
    """One handler for every kind of job; what it does is in the payload."""

    def __init__(self, journal: Journal, points: Points, lease_of: LeaseOf, seed: str) -> None:
        self._journal = journal
        self._points = points
        self._lease_of = lease_of
        self._seed = seed

    def registry(self) -> HandlerRegistry:
        registry = HandlerRegistry()
        registry.handler(WORK)(self.work)
        return registry

    async def work(self, context: HandlerContext) -> None:
        lease = self._lease_of(context.job_id, context.fence)
        run = Step(self._journal, context, "" if lease is None else lease.id)
        run.write("begin", lease_until=None if lease is None else to_text(lease.until))
        ending = "failed"
        try:
            await self._work(context, run)
            ending = "succeeded"
        except asyncio.CancelledError:
            ending = "cancelled"
            raise
        finally:
            run.write("end", ending=ending)

    async def _work(self, context: HandlerContext, run: Step) -> None:
        payload = context.payload
        half = float(payload.get("work", 0)) / 2
        await asyncio.sleep(half)
        guarded = bool(payload.get("once"))
        if not guarded or await context.once("effect"):
            run.write("effect", guarded=guarded)
        self._points.passed(AFTER_EFFECT)
        await asyncio.sleep(half)
        chance = random.Random(f"{self._seed}:{context.idempotency_key}:{context.attempt}")
        if chance.random() < float(payload.get("fail", 0)):
            raise BadLuck(context.idempotency_key)

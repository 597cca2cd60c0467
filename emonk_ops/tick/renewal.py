"""The lease of a long handler, prolonged while it runs; a lease that is lost ends the handler."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from emonk_ops.tick import settlement
from emonk_ops.tick.engine import TRIES, Engine, Held, Limits
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.keys import Keys
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.storage import Stored, Verdict, Write


class Renewal(StrEnum):
    """What came of it. After an unclear one the old lease still outlasts the handler."""

    RENEWED = "renewed"
    LOST = "lost"
    UNCLEAR = "unclear"


def renewal_period(timeout: float, limits: Limits) -> float | None:
    """Seconds between two renewals: a third of the lease, None for a handler that ends before."""
    third = limits.lease_seconds / 3
    return third if timeout > third else None


async def renew(held: Held, engine: Engine, meter: StorageMeter, keys: Keys) -> Renewal:
    """Give the lease its whole length again, its concurrency key before it. Raises nothing."""
    until = meter.now() + timedelta(seconds=engine.limits.lease_seconds)
    try:
        if not await keys.prolong(held.job, until):
            return Renewal.LOST
        for _ in range(TRIES):
            longer = settlement.renewed(held.job, until)
            (outcome,) = await meter.write([Write(longer, held.stored.version)])
            if outcome.verdict is Verdict.OK:
                held.stored = Stored(longer, outcome.version)
                return Renewal.RENEWED
            (fresh,) = await meter.get([longer.id])
            if fresh is None or not held.is_mine(fresh):
                return Renewal.LOST
            held.stored = fresh
            if fresh.job.due_at == until:
                return Renewal.RENEWED
    except StorageError:
        return Renewal.UNCLEAR  # the meter has counted it
    return Renewal.UNCLEAR

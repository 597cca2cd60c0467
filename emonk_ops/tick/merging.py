"""One job in two stores: which side stays when the job is carried into a store that holds it.

The two may have run apart: a revision that waited in vain for its jobs drives by itself, with the
declared ones, and the export arrives later. A slot that either side finished is never run again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from emonk_ops.tick.jobs import Job


@dataclass(frozen=True, slots=True)
class Merged:
    """The job as it is to be stored; `kept` where the stored side stayed."""

    job: Job
    kept: bool


def merge(carried: Job, stored: Job | None, now: datetime) -> Merged:
    """The job after `carried` came to a store that holds `stored`; `now` is the store's clock.

    What is finished stays finished. Otherwise a stored job that never ran gives way, then the
    later slot wins, for all before it is done; at one slot a live lease wins, then the higher
    fence. The winner takes the larger fence, so that the next claim is above both, the larger
    ordinal, and, at one slot, the effects that either side began. To merge the same again changes
    nothing.
    """
    if stored is None or stored == carried:
        return Merged(carried, kept=False)
    kept = _stays(stored, carried, now)
    winner, other = (stored, carried) if kept else (carried, stored)
    fence = max(winner.fence, other.fence)
    effects = winner.effects
    if winner.slot == other.slot:
        effects = {**other.effects, **winner.effects}
    ordinal = max(winner.ordinal, other.ordinal)
    return Merged(replace(winner, fence=fence, ordinal=ordinal, effects=effects), kept)


def _stays(stored: Job, carried: Job, now: datetime) -> bool:
    if stored.finished or carried.finished:
        return stored.finished
    if stored.fence == 0 and not stored.recent:
        return False
    if stored.slot != carried.slot:
        return stored.slot > carried.slot
    if stored.holds_live_lease(now) or carried.holds_live_lease(now):
        return stored.holds_live_lease(now)
    return stored.fence > carried.fence

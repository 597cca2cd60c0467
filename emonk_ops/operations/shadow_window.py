"""The shadow's window: read once, judged once, for every check that asks about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.operations.analysis.reading import LOG_LAG
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.judging.comparison import (
    Comparison,
    compare,
    definitions,
    lease_of,
    logged,
    rules_of,
)
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.settings import Environment
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

MEMO = "shadow_window"


@dataclass(frozen=True)
class ShadowWindow:
    """`began`..`until` judged; `until` is behind the last slot that has had its time."""

    began: datetime
    until: datetime
    jobs: tuple[Job, ...]
    comparison: Comparison


def reach(env: Environment, since: datetime, now: datetime) -> datetime | None:
    """The last slot behind `since` that has had its time and is written down; None before it."""
    rules = rules_of(env, since, max(now, since + timedelta(seconds=1)), lease_of(env))
    slots = slots_between(env.cadence, env.time_zone, since, now - LOG_LAG - rules.patience)
    return slots[-1] if slots else None


def end_of(env: Environment, last_slot: datetime) -> datetime:
    """A window that ends there has the tick of `last_slot` in it, and expects no later one."""
    rules = rules_of(env, last_slot, last_slot + timedelta(seconds=1), lease_of(env))
    return last_slot + rules.patience + timedelta(seconds=1)


def read(tools: Toolbox, began: datetime, last_slot: datetime) -> Spool:
    """The records of the window, and of a while before it; the caller closes it.

    An instance that stops in the window says how many lines it wrote: its last ones before the
    window tell that those are not missing.
    """
    rules = rules_for(tools, began, last_slot)
    lead = timedelta(seconds=2 * rules.interval_seconds + rules.punctual_seconds)
    return Spool(logged(tools, began - lead, end_of(tools.env, last_slot)))


def rules_for(tools: Toolbox, began: datetime, last_slot: datetime) -> Rules:
    env = tools.env
    return rules_of(env, began, end_of(env, last_slot), lease_of(env))


def judged(
    tools: Toolbox,
    spool: Spool,
    jobs: Sequence[Job],
    began: datetime,
    last_slot: datetime,
    *,
    certified: bool,
) -> Comparison:
    return compare(
        spool,
        jobs,
        tools.env,
        since=began,
        until=end_of(tools.env, last_slot),
        lease_seconds=lease_of(tools.env),
        certified=certified,
    )


def jobs_of_service(tools: Toolbox) -> tuple[Job, ...]:
    return definitions(lambda: tools, None)

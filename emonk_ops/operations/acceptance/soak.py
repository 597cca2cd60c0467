"""Stage 4's soak: a day of ticks that were all seen, and healthy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from emonk_ops.operations.acceptance.breaches import breaches
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.acceptance.verdicts import breached
from emonk_ops.operations.acceptance.window import complete_slots, read
from emonk_ops.operations.evidence.keeping import ProductionKept
from emonk_ops.operations.evidence.saving import BREACH
from emonk_ops.operations.soak_about import about
from emonk_ops.rollout.model import Look, Soak
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

GUIDE_SECONDS = 24 * 3600.0
EVERY_SECONDS = 900.0


def production_soak(env: Environment) -> Soak:
    return Soak(
        id="production",
        sentence="Jobs execute reliably for at least 24 hours",
        needed_seconds=env.soak_hours * 3600,
        guide_seconds=GUIDE_SECONDS,
        every_seconds=EVERY_SECONDS,
        about=about,
        look=look,
    )


def look(tools: Toolbox, since: datetime, now: datetime) -> Iterator[Look]:
    """A look for each stretch whose ticks all had their time."""
    while slots := complete_slots(tools.env, since, now):
        kept = ProductionKept(tools, Criteria())
        found = list(read(tools, since, slots, kept.add))
        if wrong := breached(found, Criteria()):
            kept.save(BREACH, wrong)
        yield from (look_at(one) for one in found)
        since = found[-1].until


def look_at(stretch: Stretch) -> Look:
    counted = stretch.counted
    found = tuple(breaches(stretch, Criteria()))
    return Look(
        since=stretch.since,
        until=stretch.until,
        covered_seconds=0.0 if found else stretch.covered_seconds,
        breaches=found,
        summary=(
            f"{counted.arrived} of {counted.expected} ticks, {counted.succeeded} of "
            f"{counted.executed} jobs succeeded"
        ),
        facts={
            "ticks_expected": counted.expected,
            "ticks_arrived": counted.arrived,
            "lines_lost": stretch.lines_lost,
            "transient_errors": counted.transient,
        },
    )

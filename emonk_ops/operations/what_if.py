"""What binds first as the load grows, and what a change would cost. Arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from emonk_ops.operations.cost import Projection, of_load, project
from emonk_ops.operations.load import MINUTES_A_DAY, Load, Rates, evenly, exhausted_at
from emonk_ops.operations.prices import (
    ALWAYS_ON,
    FREE_A_DAY,
    FREE_ALWAYS_ON,
    SECONDS_A_MONTH,
    WARM,
)

# Cloud Run's smallest usual instance; a larger one costs in proportion.
CPUS, GIB = 1.0, 0.5
MOST_RUNS = 1e6  # a minute
BISECTIONS = 60
CADENCES = {"* * * * *": 1440.0, "*/5 * * * *": 288.0}


@dataclass(frozen=True)
class Ceiling:
    """Where something ends: `per_minute` runs of jobs, infinite where it never does."""

    name: str
    per_minute: float


@dataclass(frozen=True)
class Change:
    """What a month would cost with it, and how much more that is, in US dollars."""

    name: str
    usd: float
    more_usd: float


@dataclass(frozen=True)
class Case:
    """A load, what its ticks read and write, and how it is billed."""

    load: Load
    rates: Rates
    location: str = "regional"
    free: bool = True
    scheduler_jobs: int = 1

    @property
    def month(self) -> Projection:
        return project(
            of_load(self.load, self.rates),
            self.load.ticks,
            location=self.location,
            free=self.free,
            scheduler_jobs=self.scheduler_jobs,
            stored_jobs=self.load.jobs,
        )


def quotas(case: Case) -> tuple[Ceiling, ...]:
    """When each free quota of a day is used up, the first one first."""
    ticks, rates = case.load.ticks, case.rates
    # With a run in every tick no query is empty any more.
    at_rest = ticks * max(0.0, rates.idle_reads - 1)
    found = (
        Ceiling("reads", exhausted_at(FREE_A_DAY.reads, at_rest, rates.job_reads)),
        Ceiling(
            "writes",
            exhausted_at(FREE_A_DAY.writes, ticks * rates.idle_writes, rates.job_writes),
        ),
    )
    return tuple(sorted(found, key=lambda one: one.per_minute))


def affordable(case: Case, budget: float) -> float:
    """Runs a minute for which `budget` dollars a month suffice; infinite beyond a million."""

    def usd(per_minute: float) -> float:
        load = evenly(case.load.ticks, per_minute, case.load.jobs)
        return replace(case, load=load).month.total_usd

    if usd(0.0) > budget:
        return 0.0
    if usd(MOST_RUNS) <= budget:
        return math.inf
    low, high = 0.0, MOST_RUNS
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if usd(middle) <= budget else (low, middle)
    return low


def changes(case: Case) -> Iterator[Change]:
    """Each by itself, against the case as it is."""
    now, load = case.month.total_usd, case.load

    def with_(name: str, other: Case) -> Change:
        usd = other.month.total_usd
        return Change(name, usd, usd - now)

    for cadence, ticks in CADENCES.items():
        if round(load.ticks) != ticks:
            other = Load(ticks, min(ticks, load.runs), load.runs, load.jobs)
            yield with_(f"cadence {cadence}", replace(case, load=other))
    ten = evenly(load.ticks, 10 * load.runs / MINUTES_A_DAY, 10 * load.jobs)
    yield with_("ten times the jobs", replace(case, load=ten))
    if case.location == "regional":
        yield with_("database in a multi-region", replace(case, location="multi-region"))
    if case.free:
        yield with_("free quota used by others", replace(case, free=False))
    warm = SECONDS_A_MONTH * (CPUS * WARM.cpu + GIB * WARM.memory)
    yield Change("min-instances 1, idle between ticks", now + warm, warm)
    on = always_on_usd()
    yield Change("json and the loop: one instance always on", on, on - now)


def always_on_usd() -> float:
    """A month of one instance with CPU always allocated, as the in-process loop needs it."""
    cpu = max(0.0, SECONDS_A_MONTH * CPUS - FREE_ALWAYS_ON.cpu) * ALWAYS_ON.cpu
    return cpu + max(0.0, SECONDS_A_MONTH * GIB - FREE_ALWAYS_ON.memory) * ALWAYS_ON.memory

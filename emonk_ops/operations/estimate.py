"""A month's cost of an environment: as it is measured, as its jobs are declared, or as asked."""

from __future__ import annotations

from dataclasses import dataclass, replace

from emonk_ops.errors import CloudError, NotFound, UsageError
from emonk_ops.operations.cost import Measured, Projection, measure, of_load, project, slots_a_day
from emonk_ops.operations.job_definitions import known_jobs
from emonk_ops.operations.load import DOCUMENTED, MINUTES_A_DAY, Load, declared, evenly
from emonk_ops.operations.what_if import Case, Ceiling, Change, affordable, changes, quotas
from emonk_ops.toolbox import Toolbox

MEASURED, DECLARED, ASKED = "measured", "declared", "asked for"


@dataclass(frozen=True)
class Asked:
    """What the operator wants to know. `jobs` and `per_minute` are of a load that is not there."""

    hours: float = 24.0
    location: str = "regional"
    free: bool = True
    jobs: int | None = None
    per_minute: float | None = None


@dataclass(frozen=True)
class Estimate:
    """`source` says where the load is from; `affordable` is in runs a minute for the budget."""

    source: str
    measured: Measured
    load: Load
    month: Projection
    quotas: tuple[Ceiling, ...]
    budget: float
    affordable: float
    changes: tuple[Change, ...]


def estimate(tools: Toolbox, asked: Asked) -> Estimate:
    """Measured where ticks tell; before a rollout from the jobs' schedules.

    Raises NotFound where neither is known, UsageError for what cannot be meant.
    """
    if asked.jobs == 0 and asked.per_minute:
        raise UsageError(
            f"--jobs 0 --per-minute {asked.per_minute:g}: no job runs so often", hint="--jobs 10"
        )
    env = tools.env
    ticks = slots_a_day(env.cadence, env.time_zone, tools.clock.now())
    source, measured, load = _basis(tools, asked, ticks)
    budget = env.budget_dollars
    case = Case(load, measured.rates, asked.location, asked.free)
    return Estimate(
        source=source,
        measured=measured,
        load=load,
        month=project(
            measured,
            ticks,
            location=asked.location,
            free=asked.free,
            stored_jobs=load.jobs,
        ),
        quotas=quotas(case),
        budget=budget,
        affordable=affordable(case, budget),
        changes=tuple(changes(case)),
    )


def _basis(tools: Toolbox, asked: Asked, ticks: float) -> tuple[str, Measured, Load]:
    """Where the load is from, what a slot of it reads and writes, and the load itself.

    Stored jobs are not counted where ticks tell: to list them costs a read each.
    """
    supposed = asked.jobs is not None or asked.per_minute is not None
    try:
        measured = measure(tools, hours=asked.hours)
    except NotFound as silence:
        if asked.per_minute is None:
            load = _declared(tools, silence)
            if not supposed:
                return DECLARED, of_load(load, DOCUMENTED), load
        else:
            load = evenly(ticks, asked.per_minute, 0)
        load = _supposed(asked, load)
        return ASKED, of_load(load, DOCUMENTED), load
    load = Load(ticks, measured.busy * ticks, measured.runs * ticks)
    if not supposed:
        return MEASURED, measured, load
    load = _supposed(asked, load)
    return ASKED, replace(of_load(load, measured.rates), ticks=measured.ticks), load


def _supposed(asked: Asked, known: Load) -> Load:
    """So many jobs as asked, that run as often as asked, or each as often as those known."""
    per_minute = asked.per_minute
    if per_minute is None:
        per_minute = known.runs / MINUTES_A_DAY
        if asked.jobs is not None and known.jobs:
            per_minute *= asked.jobs / known.jobs
    return evenly(known.ticks, per_minute, known.jobs if asked.jobs is None else asked.jobs)


def _declared(tools: Toolbox, silence: NotFound) -> Load:
    try:
        return declared(tools.env, known_jobs(tools).jobs, tools.clock.now())
    except CloudError as error:
        raise NotFound(
            f"{silence.message}; and the jobs are not known: {error.message}",
            hint=f"{error.hint or silence.hint}; or say --jobs N --per-minute M",
        ) from error

"""`emonk-ops cost`: a month by what ticks did or would do, what binds, and what changes cost."""

from __future__ import annotations

import math
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.operations.estimate import Estimate


class Location(StrEnum):
    """Where the Firestore database is, as its prices are listed."""

    regional = "regional"
    multi_region = "multi-region"


Hours = Annotated[float, typer.Option("--hours", min=0.01, help="How far back to measure.")]
Where = Annotated[Location, typer.Option("--location", help="Where the database is.")]
Free = Annotated[
    bool, typer.Option("--free/--no-free", help="Whether the free quota is left for this.")
]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=0, help="What if so many jobs were stored.")
]
PerMinute = Annotated[
    float | None,
    typer.Option("--per-minute", min=0.0, help="What if they ran so often a minute, all together."),
]
COLUMN = 22


def register(app: typer.Typer) -> None:
    command(app, "cost")(cost)


def cost(
    desk: Desk,
    hours: Hours = 24,
    location: Where = Location.regional,
    free: Free = True,
    jobs: Jobs = None,
    per_minute: PerMinute = None,
) -> ExitCode:
    """What Firestore and Cloud Scheduler cost in a month, from what the ticks read and wrote."""
    from emonk_ops.operations.estimate import Asked, estimate

    desk.show_header()
    asked = Asked(hours, location.value, free, jobs, per_minute)
    found = estimate(desk.toolbox(), asked)
    for line in _lines(found, location):
        desk.screen.line(line)
    hint = f"emonk-ops cost --env {desk.env.name} --per-minute 60"
    return desk.answer(_facts(found, location), hint=hint)


def _lines(found: Estimate, location: Location) -> list[str]:
    from emonk_ops.operations.prices import NOTED_ON

    month = found.month
    return [
        _line(found.source, _basis(found)),
        _line(
            "a day",
            f"{month.slots_a_day:,.0f} slots, {month.reads_a_day:,.0f} reads "
            f"({month.free_reads_used:.1%} of the free quota), {month.writes_a_day:,.0f} writes "
            f"({month.free_writes_used:.1%})",
        ),
        _line(
            "Firestore",
            f"${month.firestore_usd:.2f} a month ({location.value}), and at most "
            f"${month.deletes_usd_at_most:.2f} for deleting finished one-off jobs",
        ),
        _line("stored", _stored(found)),
        _line("Cloud Scheduler", f"${month.scheduler_usd:.2f} a month"),
        _line(
            "together, at most",
            f"${month.total_usd:.2f} a month, by the list prices noted on "
            f"{NOTED_ON}; Cloud Run and network are not in it",
        ),
        *_ceilings(found),
        "what a change would cost, a month:",
        *(f"  {one.name:42} ${one.usd:8.2f} ({one.more_usd:+.2f})" for one in found.changes),
    ]


def _stored(found: Estimate) -> str:
    from emonk_ops.operations.cost import BYTES_A_JOB, GIB
    from emonk_ops.operations.prices import FREE_STORED_GIB

    if not found.load.jobs:
        room = int(FREE_STORED_GIB * GIB / BYTES_A_JOB)
        return f"jobs are not counted: {room:,} find room in the free GiB; else --jobs N"
    return f"{found.load.jobs:,} jobs, ${found.month.storage_usd:.2f} a month"


def _basis(found: Estimate) -> str:
    measured, load = found.measured, found.load
    slot = f"a slot reads {measured.reads:.1f} and writes {measured.writes:.1f} documents"
    if found.source == "measured":
        whose = "billed by Firestore" if measured.billed else "what Firestore would bill"
        return f"{measured.ticks} ticks; {slot} ({whose})"
    runs = f"{load.runs / 1440:.2f} runs a minute of {load.jobs:,} jobs; {slot}"
    how = "by the ticks measured" if measured.ticks else "as documented, for no tick was measured"
    return f"{runs} ({how})"


def _ceilings(found: Estimate) -> list[str]:
    now = found.load.runs / 1440
    first, second = found.quotas
    told = f"{first.name}, {_at(first.per_minute)}; then {second.name}, {_at(second.per_minute)}"
    lines = [_line("free quota ends with", f"{told}; now {now:.2f}")]
    return [
        *lines,
        _line(f"${found.budget:.2f} a month", f"is reached {_at(found.affordable)}"),
    ]


def _at(per_minute: float) -> str:
    return "never" if math.isinf(per_minute) else f"at {per_minute:,.1f} runs a minute"


def _line(name: str, told: str) -> str:
    return f"  {name:{COLUMN}} {told}"


def _facts(found: Estimate, location: Location) -> dict[str, object]:
    from emonk_ops.operations.prices import NOTED_ON

    measured, month = found.measured, found.month
    return {
        "source": found.source,
        "ticks": measured.ticks,
        "billed": measured.billed,
        "reads_per_slot": round(measured.reads, 3),
        "writes_per_slot": round(measured.writes, 3),
        "slots_a_day": round(month.slots_a_day, 3),
        "reads_a_day": round(month.reads_a_day, 1),
        "writes_a_day": round(month.writes_a_day, 1),
        "free_reads_used": round(month.free_reads_used, 4),
        "free_writes_used": round(month.free_writes_used, 4),
        "location": location.value,
        "jobs": found.load.jobs,
        "runs_per_minute": round(found.load.runs / 1440, 4),
        "rates": {name: round(one, 4) for name, one in asdict(measured.rates).items()},
        "firestore_usd": round(month.firestore_usd, 4),
        "deletes_usd_at_most": round(month.deletes_usd_at_most, 4),
        "storage_usd": round(month.storage_usd, 4),
        "scheduler_usd": round(month.scheduler_usd, 4),
        "total_usd": round(month.total_usd, 4),
        "free_quota_ends": {one.name: _number(one.per_minute) for one in found.quotas},
        "binds_first": found.quotas[0].name,
        "budget_usd": found.budget,
        "budget_reached": _number(found.affordable),
        "changes": [
            {"name": one.name, "usd": round(one.usd, 4), "more_usd": round(one.more_usd, 4)}
            for one in found.changes
        ],
        "prices_noted_on": NOTED_ON.isoformat(),
    }


def _number(per_minute: float) -> float | None:
    return None if math.isinf(per_minute) else round(per_minute, 3)

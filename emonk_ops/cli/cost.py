"""`emonk-ops cost`: what the ticks cost in a month, from what the log says they did."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.operations.cost import Measured, Projection


class Location(StrEnum):
    """Where the Firestore database is, as its prices are listed."""

    regional = "regional"
    multi_region = "multi-region"


Hours = Annotated[float, typer.Option("--hours", min=0.01, help="How far back to measure.")]
Where = Annotated[Location, typer.Option("--location", help="Where the database is.")]
Free = Annotated[
    bool, typer.Option("--free/--no-free", help="Whether the free quota is left for this.")
]


def register(app: typer.Typer) -> None:
    command(app, "cost")(cost)


def cost(
    desk: Desk, hours: Hours = 24, location: Where = Location.regional, free: Free = True
) -> ExitCode:
    """What Firestore and Cloud Scheduler cost in a month, from what the ticks read and wrote."""
    from emonk_ops.operations import cost as operation

    desk.show_header()
    tools, env = desk.toolbox(), desk.env
    measured = operation.measure(tools, hours=hours)
    slots = operation.slots_a_day(env.cadence, env.time_zone, tools.clock.now())
    month = operation.project(measured, slots, location=location.value, free=free)
    for line in _lines(measured, month, location):
        desk.screen.line(line)
    return desk.answer(_facts(measured, month, location))


def _lines(measured: Measured, month: Projection, location: Location) -> list[str]:
    from emonk_ops.operations.prices import NOTED_ON

    whose = "billed by Firestore" if measured.billed else "what Firestore would bill"
    return [
        f"  {'measured':22} {measured.ticks} ticks; a slot reads {measured.reads:.1f} and writes "
        f"{measured.writes:.1f} documents ({whose})",
        f"  {'a day':22} {month.slots_a_day:,.0f} slots, {month.reads_a_day:,.0f} reads "
        f"({month.free_reads_used:.1%} of the free quota), {month.writes_a_day:,.0f} writes "
        f"({month.free_writes_used:.1%})",
        f"  {'Firestore':22} ${month.firestore_usd:.2f} a month ({location.value}), and at most "
        f"${month.deletes_usd_at_most:.2f} for deleting finished one-off jobs",
        f"  {'Cloud Scheduler':22} ${month.scheduler_usd:.2f} a month",
        f"  {'together, at most':22} ${month.total_usd:.2f} a month, by the list prices noted on "
        f"{NOTED_ON}; Cloud Run, storage and network are not in it",
    ]


def _facts(measured: Measured, month: Projection, location: Location) -> dict[str, object]:
    from emonk_ops.operations.prices import NOTED_ON

    return {
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
        "firestore_usd": round(month.firestore_usd, 4),
        "deletes_usd_at_most": round(month.deletes_usd_at_most, 4),
        "scheduler_usd": round(month.scheduler_usd, 4),
        "total_usd": round(month.total_usd, 4),
        "prices_noted_on": NOTED_ON.isoformat(),
    }

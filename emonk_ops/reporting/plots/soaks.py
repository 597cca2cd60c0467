"""How a soak's covered time grew, what broke it, and what made it longer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from emonk_ops.reporting.plots.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    Entry,
    bottom_axis,
    legend,
    legend_height,
    value_axis,
)
from emonk_ops.reporting.plots.canvas import Canvas, Point
from emonk_ops.reporting.plots.figure import Figure
from emonk_ops.reporting.plots.scales import Linear
from emonk_ops.reporting.soaks_told import SoakTold
from emonk_ops.reporting.words import count, span

PLOT_HEIGHT = 190.0
UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (120.0, 60.0, "minutes"))


def soak_figure(figure_id: str, soak: SoakTold) -> Figure:
    """From the journal alone."""
    return Figure(
        figure_id,
        soak_finding(soak),
        "As steep as the dashed diagonal: all time that passed was covered. The soak is done where "
        "the line reaches what is needed.",
        (f"run {soak.run}", "the journal"),
        lambda width: _draw(soak, width),
    )


def soak_finding(soak: SoakTold) -> str:
    covered = span(soak.covered_seconds) if soak.covered_seconds else "nothing"
    share = "" if soak.coverage is None else f", coverage {soak.coverage:.1%}"
    wrong = count(len(soak.breaches), "breach", "breaches")
    longer = f", extended {count(len(soak.extensions), 'time')}" if soak.extensions else ""
    short = "NO EVIDENCE (shortened): " if soak.shortened else ""
    return (
        f"{short}Soak {soak.id} of stage {soak.stage}: {covered} covered of "
        f"{span(soak.needed_seconds)} needed{share}, {wrong}{longer}; {soak_end(soak)}"
    )


def soak_end(soak: SoakTold) -> str:
    if not soak.how:
        return "it goes on"
    return "it was completed" if soak.how == "done" else f"it ended: {soak.how}"


def _unit(seconds: float) -> tuple[float, str]:
    found = ((size, name) for least, size, name in UNITS if seconds >= least)
    return next(found, (1.0, "seconds"))


def _draw(soak: SoakTold, width: float) -> Canvas:
    entries = list(_entries(soak))
    top = legend_height(width, entries, LEFT)
    bottom, right = top + PLOT_HEIGHT, width - RIGHT
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, entries, left=LEFT)
    passed = (soak.until - soak.began_at).total_seconds()
    size, name = _unit(max(soak.needed_seconds, passed))
    longest = max(passed, soak.needed_seconds) / size
    highest = max(soak.needed_seconds, soak.covered_seconds) / size
    x = Linear(0, longest * 1.02, LEFT, right)
    y = Linear(0, highest * 1.08, bottom, top)
    value_axis(canvas, y, f"{name} covered", right)
    bottom_axis(canvas, x, top, bottom, f"{name} since it began")
    canvas.line(
        (x(0), y(0)), (x(min(longest, highest)), y(min(longest, highest))), "soft", dashed=True
    )
    canvas.path(_needed(soak, x, y, size, longest), "warn", dashed=True)
    line = [
        (x(0), y(0)),
        *(_at(soak, one.until, one.covered_seconds, x, y, size) for one in soak.looks),
    ]
    canvas.path(line, "good")
    _marks(canvas, soak, x, y, size)
    return canvas


def _entries(soak: SoakTold) -> Iterator[Entry]:
    yield "line", "good", "covered"
    yield "dashed", "warn", "needed"
    yield "dashed", "soft", "as if all were covered"
    if soak.breaches:
        yield "dot", "bad", "breach"
    if soak.extensions:
        yield "dot", "warn", "extended"


def _at(soak: SoakTold, at: datetime, covered: float, x: Linear, y: Linear, size: float) -> Point:
    return x((at - soak.began_at).total_seconds() / size), y(covered / size)


def _needed(soak: SoakTold, x: Linear, y: Linear, size: float, longest: float) -> list[Point]:
    """A stair: each extension lifts what is needed."""
    level = soak.first_needed_seconds
    points = [(x(0), y(level / size))]
    for at, now, _why in soak.extensions:
        place = x((at - soak.began_at).total_seconds() / size)
        points += [(place, y(level / size)), (place, y(now / size))]
        level = now
    return [*points, (x(longest), y(level / size))]


def _marks(canvas: Canvas, soak: SoakTold, x: Linear, y: Linear, size: float) -> None:
    covered = {one.until: one.covered_seconds for one in soak.looks}
    for at, criterion, summary in soak.breaches:
        place = _at(soak, at, covered[at], x, y, size)
        canvas.dot(place, 4, "bad", told=f"{at:%Y-%m-%d %H:%M}Z {criterion}: {summary}")
    for at, now, why in soak.extensions:
        place = _at(soak, at, now, x, y, size)
        canvas.dot(place, 4, "warn", told=f"{at:%Y-%m-%d %H:%M}Z extended to {span(now)}: {why}")

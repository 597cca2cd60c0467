"""Expected ticks over time: those that came and did their work, and those that did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from emonk_ops.reporting.plots.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    legend,
    legend_height,
    time_axis,
    value_axis,
)
from emonk_ops.reporting.plots.canvas import Canvas
from emonk_ops.reporting.plots.figure import Figure, unavailable
from emonk_ops.reporting.plots.scales import Linear, Times
from emonk_ops.reporting.told.kept import HEALTHY, MISSING, UNWELL, Kept
from emonk_ops.reporting.told.soaks import LookTold, SoakTold
from emonk_ops.reporting.told.words import count, span

PLOT_HEIGHT = 110.0
COLUMN = 4.0  # pixels of a stretch, at the least
STATES = ((HEALTHY, "good"), (UNWELL, "warn"), (MISSING, "bad"))
LEGEND = (
    ("box", "good", "arrived, healthy"),
    ("box", "warn", "arrived, not healthy"),
    ("box", "bad", "missing"),
)
HOW = "Each column is a stretch of expected ticks; missing ones stand on top, in red."


@dataclass(frozen=True)
class Column:
    """A stretch: how many expected ticks were in which state."""

    since: datetime
    until: datetime
    found: Counter[str]


def ticks_figure(figure_id: str, kept: Kept) -> Figure:
    """By one piece of evidence, tick by tick."""
    sources = (f"run {kept.run}", kept.name)
    if kept.why or not kept.ticks:
        why = kept.why or "this evidence holds no expected tick"
        return unavailable(figure_id, f"Ticks of the {kept.kind} window", why, sources)
    single = [Column(one.at, one.at, Counter([one.state])) for one in kept.ticks]
    where = "shadow" if kept.kind == "shadow" else "soak"
    where += "" if kept.purpose == "acceptance" else " before a breach"
    return _figure(figure_id, single, where, sources)


def looks_figure(figure_id: str, soak: SoakTold) -> Figure | None:
    """By what the journal keeps of a soak's looks; None where it keeps no counts."""
    columns = [_of_look(one) for one in soak.looks if one.expected_ticks]
    if not columns:
        return None
    where = f"soak {soak.id} of stage {soak.stage}, by its looks"
    return _figure(figure_id, columns, where, (f"run {soak.run}", "the journal"))


def _of_look(look: LookTold) -> Column:
    expected, arrived = look.expected_ticks or 0, look.arrived_ticks or 0
    state = UNWELL if look.breaches else HEALTHY
    found = Counter({state: arrived, MISSING: max(0, expected - arrived)})
    return Column(look.since, look.until, found)


def _figure(
    figure_id: str, columns: Sequence[Column], where: str, sources: tuple[str, ...]
) -> Figure:
    since, until = columns[0].since, columns[-1].until
    found = _sum(columns).found
    n, missing = found.total(), found[MISSING]
    head = "All" if not missing else f"{n - missing:,} of"
    ill = f"; {found[UNWELL]:,} of them were not healthy" if found[UNWELL] else ""
    hours = span((until - since).total_seconds())
    finding = f"{head} {count(n, 'expected tick')} arrived in {hours} of {where}{ill}"
    return Figure(figure_id, finding, HOW, sources, lambda width: _draw(columns, width))


def merged(columns: Sequence[Column], room: float) -> list[Column]:
    """As many as the room in pixels allows, each of as many of the given ones."""
    most = max(1, int(room / COLUMN))
    size = -(-len(columns) // most)
    return [_sum(columns[start : start + size]) for start in range(0, len(columns), size)]


def _sum(columns: Sequence[Column]) -> Column:
    found: Counter[str] = Counter()
    for one in columns:
        found.update(one.found)
    return Column(columns[0].since, columns[-1].until, found)


def _draw(columns: Sequence[Column], width: float) -> Canvas:
    top = legend_height(width, LEGEND, LEFT)
    bottom, right = top + PLOT_HEIGHT, width - RIGHT
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, LEGEND, left=LEFT)
    shown = merged(columns, right - LEFT)
    highest = max(one.found.total() for one in shown)
    scale = Linear(0, highest * 1.1, bottom, top)
    value_axis(canvas, scale, "ticks", right, [0, highest])
    time_axis(canvas, Times(columns[0].since, columns[-1].until, LEFT, right), top, bottom)
    wide = (right - LEFT) / len(shown)
    for place, column in enumerate(shown):
        _stack(canvas, column, LEFT + place * wide, wide, scale)
    return canvas


def _stack(canvas: Canvas, column: Column, x: float, wide: float, scale: Linear) -> None:
    found = column.found
    states = ", ".join(f"{found[state]} {state}" for state, _ in STATES if found[state])
    told = f"{column.since:%Y-%m-%d %H:%M}Z: {states}"
    below = 0
    gap = 0.8 if wide > 3 else 0.2
    for state, tone in STATES:
        if found[state]:
            y = scale(below + found[state])
            canvas.rect(x, y, max(0.8, wide - gap), scale(below) - y, tone, told=told)
            below += found[state]

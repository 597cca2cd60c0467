"""Expected ticks over time: those that came and did their work, and those that did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from emonk_ops.reporting.kept import HEALTHY, MISSING, UNWELL, Kept, TickSeen
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
from emonk_ops.reporting.plots.scales import Linear, Times, nice_top
from emonk_ops.reporting.words import count, span

PLOT_HEIGHT = 110.0
COLUMN = 4.0  # pixels of a stretch, at the least
STATES = ((HEALTHY, "good"), (UNWELL, "warn"), (MISSING, "bad"))
LEGEND = (
    ("box", "good", "arrived, healthy"),
    ("box", "warn", "arrived, not healthy"),
    ("box", "bad", "missing"),
)


def ticks_figure(figure_id: str, kept: Kept) -> Figure:
    """`kept` is one piece of evidence."""
    sources = (f"run {kept.run}", kept.name)
    if kept.why or not kept.ticks:
        why = kept.why or "this evidence holds no expected tick"
        return unavailable(figure_id, f"Ticks of the {kept.kind} window", why, sources)
    ticks = kept.ticks
    return Figure(
        figure_id,
        _finding(kept),
        "Each column is a stretch of expected ticks; missing ones stand on top, in red.",
        sources,
        lambda width: _draw(ticks, kept.since, kept.until, width),
    )


def _finding(kept: Kept) -> str:
    found = Counter(one.state for one in kept.ticks)
    n, came = len(kept.ticks), len(kept.ticks) - found[MISSING]
    hours = span((kept.until - kept.since).total_seconds())
    head = f"{'All' if came == n else f'{came:,} of'} {count(n, 'expected tick')} arrived"
    ill = f", {found[UNWELL]:,} of them not healthy" if found[UNWELL] else ""
    return f"{head} in {hours} of {_where(kept)}{ill}"


def _where(kept: Kept) -> str:
    after = " before a breach" if kept.purpose != "acceptance" else ""
    return f"{'shadow' if kept.kind == 'shadow' else 'soak'}{after}"


def _draw(ticks: Sequence[TickSeen], since: datetime, until: datetime, width: float) -> Canvas:
    top = legend_height(width, LEGEND, LEFT)
    bottom = top + PLOT_HEIGHT
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, LEGEND, left=LEFT)
    right = width - RIGHT
    columns = binned(ticks, right - LEFT)
    scale = Linear(0, nice_top([len(one) for one in columns], 1), bottom, top)
    value_axis(canvas, scale, "ticks", right, [0, scale.high / 2, scale.high])
    times = Times(min(since, ticks[0].at), max(until, ticks[-1].at), LEFT, right)
    time_axis(canvas, times, top, bottom)
    wide = (right - LEFT) / len(columns)
    for place, column in enumerate(columns):
        _column(canvas, column, LEFT + place * wide, wide, scale)
    return canvas


def binned(ticks: Sequence[TickSeen], room: float) -> list[Sequence[TickSeen]]:
    """Stretches of as many ticks each as the room in pixels allows."""
    most = max(1, int(room / COLUMN))
    size = -(-len(ticks) // most)
    return [ticks[start : start + size] for start in range(0, len(ticks), size)]


def _column(
    canvas: Canvas, column: Sequence[TickSeen], x: float, wide: float, scale: Linear
) -> None:
    found = Counter(one.state for one in column)
    told = f"{column[0].at:%Y-%m-%d %H:%M}Z: " + ", ".join(
        f"{found[state]} {state}" for state, _ in STATES if found[state]
    )
    below = 0
    gap = 0.8 if wide > 3 else 0.2
    for state, tone in STATES:
        if found[state]:
            y = scale(below + found[state])
            canvas.rect(x, y, max(0.8, wide - gap), scale(below) - y, tone, told=told)
            below += found[state]

"""How late ticks arrived and jobs began, over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from emonk_ops.operations.analysis.records import CRON, LOOP
from emonk_ops.reporting.plots.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    Entry,
    legend,
    legend_height,
    time_axis,
    value_axis,
)
from emonk_ops.reporting.plots.canvas import Canvas
from emonk_ops.reporting.plots.figure import Figure, unavailable
from emonk_ops.reporting.plots.scales import Linear, Times, nice_top
from emonk_ops.reporting.told.kept import Kept

PLOT_HEIGHT = 170.0
FEW = 160  # points that are drawn one by one
BINS = 72
LEAST_TOP = 0.5
Late = tuple[datetime, float]


@dataclass(frozen=True)
class Series:
    """One kind of thing that may be late."""

    name: str
    tone: str
    points: Sequence[Late]


def lateness_figure(figure_id: str, kept: Kept) -> Figure:
    """Ticks by the request log, jobs by their own lines."""
    sources = (f"run {kept.run}", kept.name)
    series = [one for one in _series(kept) if one.points]
    if kept.why or not series:
        why = kept.why or "this evidence holds nothing that could be late"
        return unavailable(figure_id, f"Lateness in the {kept.kind} window", why, sources)
    many = any(len(one.points) > FEW for one in series)
    how = (
        "Full lines are the median of a stretch, dashed ones its worst."
        if many
        else "Each dot is one tick, or one job's run."
    )
    return Figure(
        figure_id,
        f"Median lateness: {', '.join(_told(one) for one in series)}",
        how,
        sources,
        lambda width: _draw(series, kept.since, kept.until, width),
    )


def _series(kept: Kept) -> list[Series]:
    ticks = [(one.at, one.late_seconds) for one in kept.ticks if one.late_seconds is not None]
    by_path = {
        path: [(one.slot, one.late_seconds) for one in kept.runs if one.path == path]
        for path in (CRON, LOOP)
    }
    return [
        Series("ticks", "one", ticks),
        Series("jobs", "two", kept.starts),
        Series("jobs run by the ticks", "good", by_path[CRON]),
        Series("jobs run by the loop", "two", by_path[LOOP]),
    ]


def _told(series: Series) -> str:
    late = [seconds for _, seconds in series.points]
    return f"{series.name} {_s(median(late))} (worst {_s(max(late))})"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _draw(series: Sequence[Series], since: datetime, until: datetime, width: float) -> Canvas:
    entries: list[Entry] = [("dot", one.tone, one.name) for one in series]
    top = legend_height(width, entries, LEFT)
    bottom, right = top + PLOT_HEIGHT, width - RIGHT
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, entries, left=LEFT)
    every = [seconds for one in series for _, seconds in one.points]
    scale = Linear(min(0.0, *every), nice_top(every, LEAST_TOP), bottom, top)
    value_axis(canvas, scale, "seconds late", right)
    instants = [at for one in series for at, _ in one.points]
    times = Times(min(since, *instants), max(until, *instants), LEFT, right)
    time_axis(canvas, times, top, bottom)
    for number, one in enumerate(series):
        # What lies upon another's dot is smaller, so that both are seen.
        _points(canvas, one, times, scale, 3.4 - number)
    return canvas


def _points(canvas: Canvas, series: Series, times: Times, scale: Linear, radius: float) -> None:
    points = sorted(series.points)
    if len(points) <= FEW:
        for at, seconds in points:
            told = f"{at:%H:%M:%S}Z: {_s(seconds)} late"
            canvas.dot((times(at), scale(seconds)), radius, series.tone, told=told)
        return
    size = -(-len(points) // BINS)
    bins = [points[start : start + size] for start in range(0, len(points), size)]
    middle = [one[len(one) // 2][0] for one in bins]
    worst = [max(seconds for _, seconds in one) for one in bins]
    usual = [median(seconds for _, seconds in one) for one in bins]
    for values, dashed in ((worst, True), (usual, False)):
        line = [(times(at), scale(value)) for at, value in zip(middle, values, strict=True)]
        canvas.path(line, series.tone, dashed=dashed)

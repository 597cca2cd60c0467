"""The whole rollout on one axis: stages, soaks, rollbacks, holds, injections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from emonk_ops.reporting.plots.axes import BOTTOM, RIGHT, Entry, legend, legend_height, time_axis
from emonk_ops.reporting.plots.canvas import Canvas
from emonk_ops.reporting.plots.figure import Figure
from emonk_ops.reporting.plots.scales import Times

LANE, BAR = 26.0, 14.0
LABEL = 74.0
LEAST = 3.0  # pixels of what took no time
LEGEND: tuple[Entry, ...] = (
    ("box", "good", "passed"),
    ("box", "warn", "refused, waiting or inconclusive"),
    ("box", "bad", "failed, rolled back or on hold"),
    ("box", "one", "going on, or without a verdict"),
)


@dataclass(frozen=True)
class Bar:
    """Something that took its time, in its lane."""

    lane: str
    since: datetime
    until: datetime
    tone: str
    told: str


def timeline_figure(figure_id: str, finding: str, bars: Sequence[Bar], runs: int) -> Figure:
    """`finding` is the title: what became of it all."""
    return Figure(
        figure_id,
        finding,
        "What took no time is drawn a few pixels wide; times are the journal's own.",
        (f"{runs} runs of the journal",),
        lambda width: _draw(bars, width),
    )


def _draw(bars: Sequence[Bar], width: float) -> Canvas:
    lanes = list(dict.fromkeys(one.lane for one in bars))
    top = legend_height(width, LEGEND)
    bottom = top + LANE * len(lanes)
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, LEGEND)
    since, until = min(one.since for one in bars), max(one.until for one in bars)
    times = Times(since, until, LABEL, width - RIGHT)
    time_axis(canvas, times, top, bottom)
    for number, lane in enumerate(lanes):
        y = top + LANE * number
        canvas.text((LABEL - 8, y + 17), lane, anchor="end")
        canvas.line((LABEL, y + LANE), (width - RIGHT, y + LANE), "faint")
        for one in bars:
            if one.lane == lane:
                x = times(one.since)
                wide = max(LEAST, times(one.until) - x)
                x = min(x, width - RIGHT - wide)
                canvas.rect(x, y + 6, wide, BAR, one.tone, told=one.told)
    return canvas

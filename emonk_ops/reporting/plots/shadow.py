"""The shadow: who ran which slot, and how long each path took for the same job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from emonk_ops.operations.analysis.records import CRON, LOOP
from emonk_ops.operations.judging.samples import SHORTEST_MS
from emonk_ops.reporting.plots.axes import (
    BOTTOM,
    LEFT,
    RIGHT,
    Entry,
    legend,
    legend_height,
    time_axis,
)
from emonk_ops.reporting.plots.canvas import Canvas, shortened
from emonk_ops.reporting.plots.figure import Figure, unavailable
from emonk_ops.reporting.plots.scales import Log, Times, number
from emonk_ops.reporting.told.kept import Kept, SlotRun
from emonk_ops.reporting.told.words import count

LANE, MARK = 34.0, 14.0
MOST_LANES = 12
SIDE = 300.0  # of the square of pairs
MARGIN_RATIO = 1.25
SLOTS: tuple[Entry, ...] = (
    ("box", "one", "Cloud Scheduler's tick"),
    ("box", "two", "legacy loop"),
    ("box", "bad", "wrong: twice, early, or missed by its owner"),
)


def slots_figure(figure_id: str, kept: Kept) -> Figure:
    """A lane a job; the two paths are also told apart by their height in the lane."""
    sources = (f"run {kept.run}", kept.name)
    if kept.why or not kept.runs:
        why = kept.why or "no job had a slot in this shadow"
        return unavailable(figure_id, "Who ran which slot in the shadow", why, sources)
    lanes = _lanes(kept.runs)
    shown = lanes[:MOST_LANES]
    hidden = f" {len(lanes) - MOST_LANES} further jobs are not drawn." if lanes[MOST_LANES:] else ""
    return Figure(
        figure_id,
        _finding(kept.runs),
        "A mark is a slot of a job: high in its lane where the tick ran it, low where the loop did."
        + hidden,
        sources,
        lambda width: _draw_slots(shown, kept.since, kept.until, width),
    )


def _finding(runs: Sequence[SlotRun]) -> str:
    ticked = sum(one.path == CRON for one in runs)
    looped = sum(one.path == LOOP for one in runs)
    wrong = sum(bool(one.wrong) for one in runs)
    told = f"{wrong:,} of them went wrong" if wrong else "none ran twice, early or by the other"
    return (
        f"Of {count(len(runs), 'slot')} in the shadow, Cloud Scheduler's ticks ran {ticked:,} and "
        f"the legacy loop {looped:,}; {told}"
    )


def _lanes(runs: Sequence[SlotRun]) -> list[tuple[str, list[SlotRun]]]:
    """Of each job its slots; the busiest job first."""
    found: dict[str, list[SlotRun]] = {}
    for one in runs:
        found.setdefault(one.job, []).append(one)
    return sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))


def _draw_slots(
    lanes: Sequence[tuple[str, list[SlotRun]]], since: datetime, until: datetime, width: float
) -> Canvas:
    top = legend_height(width, SLOTS)
    bottom = top + (LANE + 16) * len(lanes)
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, SLOTS)
    right = width - RIGHT
    times = Times(since, until, 0, right)
    time_axis(canvas, times, top, bottom)
    most = max(len(runs) for _, runs in lanes)
    wide = min(9.0, max(1.2, right / most * 0.6))
    for number_, (job, runs) in enumerate(lanes):
        y = top + (LANE + 16) * number_
        canvas.text((0, y + 12), f"{shortened(job, width - 80)}: {count(len(runs), 'slot')}")
        canvas.rect(0, y + 17, right, LANE - 4, "wash")
        for one in runs:
            _mark(canvas, one, times(one.slot), y + 18, wide)
    return canvas


def _mark(canvas: Canvas, run: SlotRun, x: float, y: float, wide: float) -> None:
    tone = "bad" if run.wrong else ("one" if run.path == CRON else "two")
    low = 0.0 if run.path == CRON else MARK
    by = {CRON: "the tick", LOOP: "the loop"}.get(run.path, "nobody to its end")
    took = " (took over)" if run.took_over else ""
    told = f"{run.slot:%H:%M:%S}Z by {by}{took}, {run.late_seconds:.1f} s late {run.wrong}"
    canvas.rect(x, y + low, wide, MARK, tone, told=told.rstrip())


def pairs_figure(figure_id: str, kept: Kept) -> Figure:
    """Adjacent slots of one job, one by each path: the time they took."""
    sources = (f"run {kept.run}", kept.name)
    pairs = [] if kept.why else pairs_of(kept.runs)
    if not pairs:
        why = kept.why or "no job was run by both paths in turn, so there is nothing to compare"
        return unavailable(figure_id, "Durations of both paths", why, sources)
    if all(value <= SHORTEST_MS for pair in pairs for value in pair):
        why = (
            f"all {count(len(pairs), 'pair')} of runs took no more than {SHORTEST_MS:g} ms on "
            "either path, which is the machine's noise: no difference could be measured"
        )
        return unavailable(figure_id, "Durations of both paths", why, sources)
    logs = [math.log(tick / loop) for tick, loop in pairs]
    ratio = math.exp(sum(logs) / len(logs))
    return Figure(
        figure_id,
        f"Ticks took {ratio:.2f} times as long as the loop, over {count(len(pairs), 'pair')} "
        "of runs of the same job",
        "On the line both took the same time; the band is the margin of 0.8 to 1.25. "
        f"Below {SHORTEST_MS:g} ms a duration is the machine's noise and is drawn as that.",
        sources,
        lambda width: _draw_pairs(pairs, width),
    )


def pairs_of(runs: Sequence[SlotRun]) -> list[tuple[float, float]]:
    """(tick, loop) in milliseconds, by job in the order of slots, each run in one pair."""
    pairs: list[tuple[float, float]] = []
    waiting: dict[str, SlotRun] = {}
    for one in sorted(runs, key=lambda one: (one.job, one.slot)):
        if not one.path:
            continue
        other = waiting.pop(one.job, None)
        if other is None or other.path == one.path:
            waiting[one.job] = one
            continue
        tick, loop = (one, other) if one.path == CRON else (other, one)
        pairs.append((max(tick.duration_ms, SHORTEST_MS), max(loop.duration_ms, SHORTEST_MS)))
    return pairs


def _draw_pairs(pairs: Sequence[tuple[float, float]], width: float) -> Canvas:
    side = min(SIDE, width - LEFT - RIGHT)
    canvas = Canvas(width, side + 10 + BOTTOM)
    every = [value for pair in pairs for value in pair]
    low = 10.0 ** math.floor(math.log10(min(every)))
    high = 10.0 ** math.ceil(math.log10(max(every) * 1.01))
    left = max(LEFT, (width - side) / 2)
    x, y = Log(low, high, left, left + side), Log(low, high, 10 + side, 10)
    _band(canvas, x, y)
    for mark in x.marks():
        canvas.line((x(mark), 10), (x(mark), 10 + side), "faint")
        canvas.line((left, y(mark)), (left + side, y(mark)), "faint")
        canvas.text((x(mark), 26 + side), number(mark), "soft", anchor="middle")
        canvas.text((left - 6, y(mark) + 4), number(mark), "soft", anchor="end")
    canvas.line((x(low), y(low)), (x(high), y(high)), "soft", dashed=True)
    canvas.text((left + side / 2, side + 44), "the legacy loop took (ms)", "soft", anchor="middle")
    canvas.upright((left - 40, 10 + side / 2), "the tick took (ms)")
    for tick, loop in pairs:
        canvas.dot((x(loop), y(tick)), 3.2, "one", told=f"tick {tick:.0f} ms, loop {loop:.0f} ms")
    return canvas


def _band(canvas: Canvas, x: Log, y: Log) -> None:
    low, high, ratio = x.low, x.high, MARGIN_RATIO
    canvas.area(
        [
            (x(low), y(low * ratio)),
            (x(high / ratio), y(high)),
            (x(high), y(high)),
            (x(high), y(high / ratio)),
            (x(low * ratio), y(low)),
            (x(low), y(low)),
        ],
        "wash",
    )

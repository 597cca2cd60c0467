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
from emonk_ops.reporting.plots.figure import Figure, in_words
from emonk_ops.reporting.plots.scales import Linear
from emonk_ops.reporting.told.soaks import SoakTold
from emonk_ops.reporting.told.words import count, span

PLOT_HEIGHT = 190.0
EARLY_SHARE = 0.3
UNITS = ((172_800.0, 86_400.0, "days"), (7_200.0, 3_600.0, "hours"), (120.0, 60.0, "minutes"))


def soak_figure(figure_id: str, soak: SoakTold) -> Figure:
    """From the journal alone."""
    sources = (f"run {soak.run}", "the journal")
    if not soak.looks:
        return in_words(figure_id, soak_finding(soak), "Nothing of it was looked at.", sources)
    how = "As steep as the dashed diagonal: all time that passed was covered."
    how += (
        f" What is needed, {span(soak.needed_seconds)}, lies above the picture."
        if _broke_off_early(soak)
        else " The soak is done where the line reaches what is needed."
    )
    return Figure(figure_id, soak_finding(soak), how, sources, lambda width: _draw(soak, width))


def soak_finding(soak: SoakTold) -> str:
    covered = span(soak.covered_seconds) if soak.covered_seconds else "nothing"
    share = "" if soak.coverage is None else f", coverage {soak.coverage:.1%}"
    wrong = f", {count(len(soak.breaches), 'breach', 'breaches')}" if soak.looks else ""
    longer = f", extended {count(len(soak.extensions), 'time')}" if soak.extensions else ""
    short = "NO EVIDENCE (shortened): " if soak.shortened else ""
    return (
        f"{short}Soak {soak.id} of stage {soak.stage}: {covered} covered of "
        f"{span(soak.needed_seconds)} needed{share}{wrong}{longer}; {soak_end(soak)}"
    )


def soak_end(soak: SoakTold) -> str:
    by = f" by {soak.criterion}" if soak.criterion else ""
    if not soak.how:
        return "it goes on"
    return "it was completed" if soak.how == "done" else f"it ended: {soak.how}{by}"


def _broke_off_early(soak: SoakTold) -> bool:
    """Whether it ended so soon that the way to what is needed would hide how it went."""
    return soak.how not in ("", "done") and _passed(soak) < EARLY_SHARE * soak.needed_seconds


def _passed(soak: SoakTold) -> float:
    return (soak.until - soak.began_at).total_seconds()


class _Plane:
    """Time that passed to the right, time that was covered upwards, in one unit."""

    def __init__(
        self, soak: SoakTold, first: float, last: float, top: float, bottom: float
    ) -> None:
        passed, needed = _passed(soak), soak.needed_seconds
        self.longest = passed if _broke_off_early(soak) else max(passed, needed)
        self.highest = passed if _broke_off_early(soak) else max(needed, soak.covered_seconds)
        self.size, self.unit = _unit(self.longest)
        self.x = Linear(0, self.longest / self.size * 1.02, first, last)
        self.y = Linear(0, self.highest / self.size * 1.08, bottom, top)
        self._began = soak.began_at

    def point(self, passed: float, covered: float) -> Point:
        return self.x(passed / self.size), self.y(covered / self.size)

    def at(self, when: datetime, covered: float) -> Point:
        return self.point((when - self._began).total_seconds(), covered)


def _unit(seconds: float) -> tuple[float, str]:
    found = ((size, name) for least, size, name in UNITS if seconds >= least)
    return next(found, (1.0, "seconds"))


def _draw(soak: SoakTold, width: float) -> Canvas:
    entries = list(_entries(soak))
    top = legend_height(width, entries, LEFT)
    bottom, right = top + PLOT_HEIGHT, width - RIGHT
    canvas = Canvas(width, bottom + BOTTOM)
    legend(canvas, entries, left=LEFT)
    plane = _Plane(soak, LEFT, right, top, bottom)
    value_axis(canvas, plane.y, f"{plane.unit} covered", right)
    bottom_axis(canvas, plane.x, top, bottom, f"{plane.unit} since it began")
    whole = min(plane.longest, plane.highest)
    canvas.line(plane.point(0, 0), plane.point(whole, whole), "soft", dashed=True)
    if not _broke_off_early(soak):
        canvas.path(_needed(soak, plane), "warn", dashed=True)
    seen = (plane.at(one.until, one.covered_seconds) for one in soak.looks)
    canvas.path([plane.point(0, 0), *seen], "good")
    _marks(canvas, soak, plane)
    return canvas


def _entries(soak: SoakTold) -> Iterator[Entry]:
    yield "line", "good", "covered"
    if not _broke_off_early(soak):
        yield "dashed", "warn", "needed"
    yield "dashed", "soft", "as if all were covered"
    if soak.breaches:
        names = dict.fromkeys(criterion for _, criterion, _ in soak.breaches)
        yield "dot", "bad", f"breach: {', '.join(names)}"
    if soak.extensions:
        yield "dot", "warn", "extended"


def _needed(soak: SoakTold, plane: _Plane) -> list[Point]:
    """A stair: each extension lifts what is needed."""
    level = soak.first_needed_seconds
    points = [plane.point(0, level)]
    for at, now, _why in soak.extensions:
        points += [plane.at(at, level), plane.at(at, now)]
        level = now
    return [*points, plane.point(plane.longest, level)]


def _marks(canvas: Canvas, soak: SoakTold, plane: _Plane) -> None:
    covered = {one.until: one.covered_seconds for one in soak.looks}
    for at, criterion, summary in soak.breaches:
        told = f"{at:%Y-%m-%d %H:%M}Z {criterion}: {summary}"
        canvas.dot(plane.at(at, covered[at]), 4, "bad", told=told)
    for at, now, why in soak.extensions:
        told = f"{at:%Y-%m-%d %H:%M}Z extended to {span(now)}: {why}"
        canvas.dot(plane.at(at, now), 4, "warn", told=told)

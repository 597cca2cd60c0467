"""How long each step of each rollback took, against its budget."""

from __future__ import annotations

from collections.abc import Sequence

from emonk_ops.reporting.plots.axes import Entry, legend, legend_height
from emonk_ops.reporting.plots.canvas import Canvas, shortened, width_of
from emonk_ops.reporting.plots.figure import Figure
from emonk_ops.reporting.plots.scales import Log, number
from emonk_ops.reporting.told.runs import RollbackTold, StepTold
from emonk_ops.reporting.told.words import count, span

LABEL, STEP, HEAD, BAR = 128.0, 22.0, 30.0, 11.0
AXIS = 40.0
LOW, LEAST_HIGH = 0.001, 100.0
MOST = 8
BOLD = 0.92  # how much of its room a bold line may take
LEGEND: tuple[Entry, ...] = (
    ("box", "good", "within its budget"),
    ("box", "bad", "over it, or broken off"),
    ("box", "soft", "without a budget"),
    ("line", "ink", "budget"),
)


def rollbacks_figure(figure_id: str, rollbacks: Sequence[RollbackTold]) -> Figure:
    """The newest ones, in their order."""
    shown = [one for one in rollbacks if one.steps][-MOST:]
    older = f" {len(rollbacks) - len(shown)} older ones are not drawn." * (
        len(shown) < len(rollbacks)
    )
    runs = tuple(dict.fromkeys(f"run {one.run}" for one in shown))
    return Figure(
        figure_id,
        _finding(rollbacks),
        f"The axis is logarithmic; times are those of a stopwatch.{older}",
        runs,
        lambda width: _draw(shown, width),
    )


def _finding(rollbacks: Sequence[RollbackTold]) -> str:
    steps = [step for one in rollbacks for step in one.steps]
    over = [step for one in rollbacks for step in one.over_budget]
    budgeted = [one for one in steps if one.budget_seconds and one.seconds is not None]
    told = (
        f"{count(len(over), 'step')} of {len(budgeted)} took longer than the budget"
        if over
        else _within(len(budgeted))
    )
    times = [one.seconds for one in rollbacks if one.seconds is not None]
    if not times:
        return told
    ways = "the way back" if len(rollbacks) == 1 else f"the slowest of {len(rollbacks)} ways back"
    return f"{told}; {ways} took {span(max(times))}"


def _within(steps: int) -> str:
    """What is said of so many steps that ended, each within its budget."""
    if not steps:
        return "No step with a budget has ended"
    return f"{'All' if steps > 1 else 'The'} {count(steps, 'step')} with a budget stayed within it"


def _draw(rollbacks: Sequence[RollbackTold], width: float) -> Canvas:
    top = legend_height(width, LEGEND)
    rows = sum(HEAD + STEP * len(one.steps) for one in rollbacks)
    bottom = top + rows
    canvas = Canvas(width, bottom + AXIS)
    legend(canvas, LEGEND)
    label = min(LABEL, width * 0.34)
    found = [step for one in rollbacks for step in one.steps]
    highest = max([LEAST_HIGH, *(max(s.seconds or 0, s.budget_seconds or 0) for s in found)])
    x = Log(LOW, highest * 1.3, label + 6, width - 8)
    for mark in x.marks():
        canvas.line((x(mark), top + 6), (x(mark), bottom), "faint")
        canvas.text((x(mark), bottom + 16), number(mark), "soft", anchor="middle")
    canvas.text(((x.first + x.last) / 2, bottom + 34), "seconds", "soft", anchor="middle")
    y = top
    for one in rollbacks:
        canvas.text((0, y + 20), shortened(_headline(one), width * BOLD), "title")
        y += HEAD
        for step in one.steps:
            _step(canvas, step, x, y, label)
            y += STEP
    return canvas


def _headline(one: RollbackTold) -> str:
    stage = f", stage {one.stage}" if one.stage is not None else ""
    took = f": {span(one.seconds)}" if one.seconds is not None else ""
    how = {True: "", False: ", NOT COMPLETE", None: ", NOT ENDED"}[one.ok]
    return f"{one.kind}{stage}, {one.at:%d %b %H:%M}Z{took}{how}"


def _step(canvas: Canvas, step: StepTold, x: Log, y: float, label: float) -> None:
    canvas.text((label, y + 13), shortened(step.id, label), anchor="end")
    if step.seconds is None:
        canvas.text((x.first + 4, y + 13), "began; nothing says how it ended", "bad")
        return
    end = max(x(step.seconds), x.first + 2)
    told = f"{span(step.seconds)}: {step.summary}"
    canvas.rect(x.first, y + 4, end - x.first, BAR, _tone(step), told=told)
    if step.budget_seconds:
        place = x(step.budget_seconds)
        canvas.line((place, y + 1), (place, y + 18), "ink")
    words = span(step.seconds) + ("" if step.ok else " broke off")
    room = x.last - end
    if room > width_of(words) + 8:
        canvas.text((end + 5, y + 13), words, "soft")


def _tone(step: StepTold) -> str:
    if not step.ok:
        return "bad"
    if not step.budget_seconds:
        return "soft"
    return "bad" if (step.seconds or 0.0) > step.budget_seconds else "good"

"""Frames for drawings: grid, marks, labels with their units, and a legend above."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emonk_ops.reporting.plots.canvas import Canvas, Point, width_of
from emonk_ops.reporting.plots.scales import Linear, Times, number

LEFT, RIGHT, BOTTOM = 52.0, 10.0, 40.0
LEGEND_LINE = 19.0
SWATCH = 10.0
Entry = tuple[str, str, str]  # shape (box | line | dashed | dot), tone, words


def legend(canvas: Canvas, entries: Sequence[Entry], top: float = 0.0, left: float = 0.0) -> float:
    """Rows of entries from `top` on; the height that they take."""
    x, y = left, top + 12
    for shape, tone, words in entries:
        wide = SWATCH + 6 + width_of(words) + 16
        if x + wide - 16 > canvas.width and x > left:
            x, y = left, y + LEGEND_LINE
        _swatch(canvas, shape, tone, (x, y))
        canvas.text((x + SWATCH + 6, y), words, "soft")
        x += wide
    return y + 10 - top


def legend_height(width: float, entries: Sequence[Entry], left: float = 0.0) -> float:
    return legend(Canvas(width, 0), entries, left=left)


def _swatch(canvas: Canvas, shape: str, tone: str, at: Point) -> None:
    x, y = at
    match shape:
        case "box":
            canvas.rect(x, y - 9, SWATCH, SWATCH, tone)
        case "dot":
            canvas.dot((x + SWATCH / 2, y - 4), 4, tone)
        case _:
            canvas.line((x, y - 4), (x + SWATCH, y - 4), tone, dashed=shape == "dashed")


def time_axis(
    canvas: Canvas, times: Times, top: float, bottom: float, label: str = "time (UTC)"
) -> None:
    """Marks below `bottom`, grid lines up to `top`, and what the axis shows."""
    room = times.last - times.first
    found = times.marks(max(3, int(room / 95)))
    for at, words in found:
        x = times(at)
        canvas.line((x, top), (x, bottom), "faint")
        half = width_of(words) / 2
        middle = min(max(x, half), canvas.width - half)
        canvas.text((middle, bottom + 16), words, "soft", anchor="middle")
    canvas.line((times.first, bottom), (times.last, bottom), "soft")
    canvas.text(((times.first + times.last) / 2, bottom + 34), label, "soft", anchor="middle")


def value_axis(
    canvas: Canvas, scale: Linear, label: str, right: float, marks: Iterable[float] | None = None
) -> None:
    """Marks left of the plot, grid lines to `right`."""
    for value in scale.marks() if marks is None else marks:
        y = scale(value)
        canvas.line((LEFT, y), (right, y), "faint")
        canvas.text((LEFT - 6, y + 4), number(value), "soft", anchor="end")
    canvas.upright((12, (scale.first + scale.last) / 2), label)


def bottom_axis(
    canvas: Canvas,
    scale: Linear,
    top: float,
    bottom: float,
    label: str,
) -> None:
    """Marks of values below `bottom`, grid lines up to `top`."""
    for value in scale.marks(max(2, int((scale.last - scale.first) / 80))):
        x = scale(value)
        canvas.line((x, top), (x, bottom), "faint")
        canvas.text((x, bottom + 16), number(value), "soft", anchor="middle")
    canvas.line((scale.first, bottom), (scale.last, bottom), "soft")
    canvas.text(((scale.first + scale.last) / 2, bottom + 34), label, "soft", anchor="middle")

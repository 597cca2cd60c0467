"""A drawing in the making: shapes with classes, whose colours a style sheet gives."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

Point = tuple[float, float]
FONT = 12.0
CHARACTER = 0.56  # of the font's size: the mean width, a little on the safe side


class Canvas:
    """`width` and `height` are pixels of the drawing; what lies outside is cut off."""

    def __init__(self, width: float, height: float) -> None:
        self.width = width
        self.height = height
        self._parts: list[str] = []

    def rect(
        self, x: float, y: float, width: float, height: float, tone: str, *, told: str = ""
    ) -> None:
        """`told` is shown where a pointer rests on it."""
        size = f'x="{_n(x)}" y="{_n(y)}" width="{_n(max(0.0, width))}" height="{_n(height)}"'
        self._add("rect", f'class="f-{tone}" {size}', told)

    def line(self, start: Point, end: Point, tone: str, *, dashed: bool = False) -> None:
        places = f'x1="{_n(start[0])}" y1="{_n(start[1])}" x2="{_n(end[0])}" y2="{_n(end[1])}"'
        self._add("line", f'class="l-{tone}{" dashed" if dashed else ""}" {places}')

    def path(self, points: Iterable[Point], tone: str, *, dashed: bool = False) -> None:
        """A line through the points; nothing for fewer than two."""
        found = list(points)
        if len(found) > 1:
            drawn = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in found)
            self._add("path", f'class="l-{tone}{" dashed" if dashed else ""}" d="{drawn}"')

    def area(self, points: Iterable[Point], tone: str) -> None:
        drawn = "M" + "L".join(f"{_n(x)} {_n(y)}" for x, y in points) + "Z"
        self._add("path", f'class="f-{tone}" d="{drawn}"')

    def dot(self, at: Point, radius: float, tone: str, *, told: str = "") -> None:
        place = f'cx="{_n(at[0])}" cy="{_n(at[1])}" r="{_n(radius)}"'
        self._add("circle", f'class="f-{tone}" {place}', told)

    def text(self, at: Point, words: str, tone: str = "ink", *, anchor: str = "start") -> None:
        """`anchor`: start, middle or end of the words is at the point, on their base line."""
        place = f'x="{_n(at[0])}" y="{_n(at[1])}" text-anchor="{anchor}"'
        self._parts.append(f'<text class="t-{tone}" {place}>{escape(words)}</text>')

    def upright(self, at: Point, words: str) -> None:
        """The label of a vertical axis, read from below, its middle at the point."""
        x, y = _n(at[0]), _n(at[1])
        turned = f'transform="rotate(-90 {x} {y})" text-anchor="middle"'
        self._parts.append(f'<text class="t-soft" x="{x}" y="{y}" {turned}>{escape(words)}</text>')

    def put(self, other: Canvas, at: Point) -> None:
        """Another drawing, its upper left corner at the point."""
        moved = f'transform="translate({_n(at[0])} {_n(at[1])})"'
        self._parts.append(f"<g {moved}>{other.content}</g>")

    @property
    def content(self) -> str:
        return "".join(self._parts)

    def svg(self, name: str, style: str = "") -> str:
        """`name` is what a screen reader says; `style` a sheet for a file that stands alone."""
        size = f'viewBox="0 0 {_n(self.width)} {_n(self.height)}"'
        sheet = f"<style>{style}</style>" if style else ""
        size += f' width="{_n(self.width)}" height="{_n(self.height)}"' if style else ""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" '
            f'aria-label="{escape(name)}">{sheet}{self.content}</svg>'
        )

    def _add(self, kind: str, told_of: str, told: str = "") -> None:
        if told:
            self._parts.append(f"<{kind} {told_of}><title>{escape(told)}</title></{kind}>")
        else:
            self._parts.append(f"<{kind} {told_of}/>")


def width_of(words: str) -> float:
    """About how wide the words are in the drawing's font, in pixels."""
    return len(words) * FONT * CHARACTER


def shortened(words: str, width: float) -> str:
    """The words, cut where they would be wider than `width` pixels."""
    most = max(1, int(width / (FONT * CHARACTER)))
    return words if len(words) <= most else words[: most - 1].rstrip() + "…"


def wrapped(words: str, width: float) -> list[str]:
    """Lines that are no wider than `width` pixels, where words allow."""
    from textwrap import wrap

    return wrap(words, max(8, int(width / (FONT * CHARACTER)))) or [""]


def _n(value: float) -> str:
    """One decimal is finer than any screen shows, and keeps the files small."""
    return f"{value:.1f}".removesuffix(".0")

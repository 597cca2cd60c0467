"""A figure: what it finds, how to read it, and a drawing for any width."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emonk_ops.reporting.plots.canvas import Canvas, wrapped
from emonk_ops.reporting.plots.style import alone

WIDE, NARROW = 760.0, 340.0  # a desktop's column, a phone's
MARGIN = 16.0
LINE = 17.0


@dataclass(frozen=True)
class Figure:
    """`finding` is its title, a sentence; `sources` are runs and evidence that it comes from."""

    id: str
    finding: str
    how_to_read: str
    sources: tuple[str, ...]
    draw: Callable[[float], Canvas]  # width in pixels -> drawing

    def inline(self, width: float) -> str:
        """For a page that has the colours and the title."""
        return self.draw(width).svg(self.finding)

    def standalone(self) -> str:
        """A file of its own: with paper, title, and how to read it."""
        drawn = self.draw(WIDE)
        titles = wrapped(self.finding, WIDE * 0.92)
        notes = wrapped(self.note, WIDE)
        top = MARGIN + LINE * len(titles) + 8
        height = top + drawn.height + 12 + LINE * len(notes) + MARGIN
        page = Canvas(WIDE + 2 * MARGIN, height)
        page.rect(0, 0, page.width, page.height, "paper")
        for number, line in enumerate(titles):
            page.text((MARGIN, MARGIN + 12 + LINE * number), line, "title")
        page.put(drawn, (MARGIN, top))
        for number, line in enumerate(notes):
            page.text((MARGIN, top + drawn.height + 20 + LINE * number), line, "soft")
        return page.svg(self.finding, alone())

    @property
    def note(self) -> str:
        return f"{self.how_to_read} Source: {', '.join(self.sources)}.".strip()


def unavailable(figure_id: str, what: str, why: str, sources: tuple[str, ...]) -> Figure:
    """What cannot be shown, and why."""
    return in_words(figure_id, f"{what}: not shown", why, sources)


def in_words(figure_id: str, finding: str, words: str, sources: tuple[str, ...]) -> Figure:
    """A figure in whose place a sentence stands."""

    def draw(width: float) -> Canvas:
        lines = wrapped(words, width - 2 * MARGIN)
        canvas = Canvas(width, 2 * MARGIN + LINE * len(lines))
        canvas.rect(0, 0, width, canvas.height, "wash")
        for number, line in enumerate(lines):
            canvas.text((MARGIN, MARGIN + 13 + LINE * number), line, "soft")
        return canvas

    return Figure(figure_id, finding, "", sources, draw)

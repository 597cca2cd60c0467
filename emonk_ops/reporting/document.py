"""A report as blocks, so that Markdown and HTML say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from emonk_ops.reporting.plots.figure import Figure

TONES = {
    "PASS": "good",
    "FAIL": "bad",
    "ERROR": "bad",
    "RESTORE_FAILED": "bad",
    "INCONCLUSIVE": "warn",
    "NOT_EXERCISED": "warn",
    "INTERRUPTED": "warn",
    "WAITING": "warn",
    "ASK": "warn",
    "done": "good",
    "passed": "good",
    "failed": "bad",
    "error": "bad",
    "rolled back": "bad",
    "restore incomplete": "bad",
}


@dataclass(frozen=True)
class Code:
    """A name, an id, or something to type."""

    text: str


@dataclass(frozen=True)
class Strong:
    text: str


@dataclass(frozen=True)
class Badge:
    """A verdict or a state, with its colour."""

    text: str

    @property
    def tone(self) -> str:
        return TONES.get(self.text, "soft")


Span = str | Code | Strong | Badge
Spans = Sequence[Span]


@dataclass(frozen=True)
class Heading:
    """Level 1 is the report's, 2 an environment's, 3 a section's."""

    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    spans: Spans


@dataclass(frozen=True)
class Notice:
    """What must be seen first. `tone`: warn or bad."""

    tone: str
    spans: Spans


@dataclass(frozen=True)
class Numbered:
    """Sentences that are counted."""

    items: Sequence[Spans]


@dataclass(frozen=True)
class Table:
    """On a narrow screen each row becomes a card, its cells named by the head."""

    head: Sequence[str]
    rows: Sequence[Sequence[Spans]]


@dataclass(frozen=True)
class Plot:
    """`name` is its file, without folder and ending."""

    name: str
    figure: Figure


@dataclass(frozen=True)
class Fold:
    """Details under a line that says what they are."""

    summary: Spans
    blocks: Sequence[Block]


Block = Heading | Paragraph | Notice | Numbered | Table | Plot | Fold


@dataclass(frozen=True)
class Document:
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)

    @property
    def plots(self) -> list[Plot]:
        return list(_plots(self.blocks))


def _plots(blocks: Sequence[Block]) -> list[Plot]:
    found: list[Plot] = []
    for block in blocks:
        if isinstance(block, Plot):
            found.append(block)
        elif isinstance(block, Fold):
            found += _plots(block.blocks)
    return found

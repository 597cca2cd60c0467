"""A document as Markdown. All text is escaped: it came from people and machines."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from emonk_ops.reporting.document import (
    Badge,
    Block,
    Code,
    Document,
    Fold,
    Heading,
    Notice,
    Numbered,
    Paragraph,
    Plot,
    Span,
    Spans,
    Strong,
    Table,
)

SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")


def to_markdown(document: Document, plots: str) -> str:
    """`plots` is the folder in which the drawings lie, as a link says it."""
    blocks = (block for one in document.blocks for block in _block(one, plots))
    return "\n\n".join((f"# {escaped(document.title)}", *blocks)) + "\n"


def escaped(text: str) -> str:
    """On one line, and nothing in it means anything to Markdown or to a browser."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _block(block: Block, plots: str) -> Iterator[str]:
    match block:
        case Heading(level, text):
            yield f"{'#' * level} {escaped(text)}"
        case Paragraph(spans):
            yield _spans(spans)
        case Notice(_, spans):
            yield f"> **{_spans(spans)}**" if _plain(spans) else f"> {_spans(spans)}"
        case Numbered(items):
            yield "\n".join(f"{number}. {_spans(one)}" for number, one in enumerate(items, 1))
        case Table(head, rows):
            yield "\n".join(_table(head, rows))
        case Plot(name, figure):
            yield f"**{escaped(figure.finding)}**"
            yield f"![{escaped(figure.finding)}]({plots}/{name}.svg)"
            yield escaped(figure.note)
        case Fold(summary, inner):
            yield f"**{_spans(summary)}**" if _plain(summary) else _spans(summary)
            for one in inner:
                yield from _block(one, plots)


def _plain(spans: Spans) -> bool:
    return all(isinstance(one, str | Code) for one in spans)


def _table(head: Sequence[str], rows: Sequence[Sequence[Spans]]) -> Iterator[str]:
    yield f"| {' | '.join(escaped(one) for one in head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_spans(cell) for cell in row)} |"


def _spans(spans: Spans) -> str:
    return "".join(_span(one) for one in spans)


def _span(span: Span) -> str:
    match span:
        case Code(text):
            return _code(text)
        case Strong(text) | Badge(text):
            gap = " " if text.endswith(" ") else ""
            return f"**{escaped(text)}**{gap}" if text.strip() else ""
        case _:
            kept = span[: len(span) - len(span.lstrip())], span[len(span.rstrip()) :]
            return f"{' ' * bool(kept[0])}{escaped(span)}{' ' * bool(kept[1] and span.strip())}"


def _code(text: str) -> str:
    """In as many ticks as it takes; a bar would end a table's cell even there."""
    text = " ".join(text.split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    spare = " " if longest else ""
    return f"{fence}{spare}{text}{spare}{fence}" if text else ""

"""A document as one HTML file: styles and drawings inside, no script, nothing from a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
from emonk_ops.reporting.page_style import sheet
from emonk_ops.reporting.plots.figure import NARROW, WIDE

SHORT = 24  # characters of an id that is not broken into lines
# Should a text ever get past the escaping, no browser would run or load what it says.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(document: Document) -> str:
    title = escape(document.title)
    body = "\n".join(_block(one) for one in document.blocks)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>{sheet()}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{title}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _block(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{escape(text)}</h{level}>"
        case Paragraph(spans):
            return f"<p>{_spans(spans)}</p>"
        case Notice(tone, spans):
            return f'<p class="notice {tone}">{_spans(spans)}</p>'
        case Numbered(items):
            return f"<ol>{''.join(f'<li>{_spans(one)}</li>' for one in items)}</ol>"
        case Table(head, rows):
            return _table(head, rows)
        case Plot():
            return _plot(block)
        case Fold(summary, inner):
            shown = "\n".join(_block(one) for one in inner)
            return f"<details><summary>{_spans(summary)}</summary>\n{shown}\n</details>"


def _plot(plot: Plot) -> str:
    figure = plot.figure
    return (
        f"<figure><figcaption>{escape(figure.finding)}</figcaption>"
        f'<div class="wide">{figure.inline(WIDE)}</div>'
        f'<div class="narrow">{figure.inline(NARROW)}</div>'
        f'<p class="note">{escape(figure.note)}</p></figure>'
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[Spans]]) -> str:
    names = "".join(f"<th>{escape(one)}</th>" for one in head)
    body = "".join(f"<tr>{_cells(head, row)}</tr>" for row in rows)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>"


def _cells(head: Sequence[str], row: Sequence[Spans]) -> str:
    return "".join(
        f'<td data-name="{escape(name)}"><div>{_spans(cell)}</div></td>'
        for name, cell in zip(head, row, strict=True)
    )


def _spans(spans: Spans) -> str:
    return "".join(_span(one) for one in spans)


def _span(span: Span) -> str:
    match span:
        case Code(text):
            kind = ' class="id"' if len(text) <= SHORT and " " not in text else ""
            return f"<code{kind}>{escape(text)}</code>"
        case Strong(text):
            return f"<strong>{escape(text)}</strong>"
        case Badge(text):
            return f'<span class="badge {span.tone}">{escape(text)}</span>'
        case _:
            return escape(span)

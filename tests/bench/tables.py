"""Tables on standard output, in Markdown, so that they can be put into a document as they are."""

from __future__ import annotations

from collections.abc import Sequence


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print a table; the first column is text, the others are numbers."""
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    print(f"\n### {title}\n")
    print(_line(head, widths))
    dashes = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    print("| " + " | ".join(dashes) + " |")
    for row in rows:
        print(_line(row, widths))
    if note:
        print(f"\n{note}")


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    texts = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
    return "| " + " | ".join(texts) + " |"


def whole(value: float) -> str:
    """With thousands apart, as people read it."""
    return f"{value:,.0f}"


def ratio(value: float) -> str:
    return f"{value:.2f}"

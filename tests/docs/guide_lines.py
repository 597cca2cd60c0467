"""The lines of the guide, read from its text.

A line is what the guide says or wants done: a checkbox, a bullet or a numbered item, a sentence
of its own, a command of a shell block, a block in another language. What only leads to the next
one is part of it: a comment, `cd`, `chmod`. A here-document's body belongs to its command, and
"Should see:", "Look for:" or "Expected:" alone are labels of what stands below them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

GUIDE = Path(__file__).with_name("rollout-guide.md")
PARTS = (*(f"Stage {number}: " for number in range(6)), "Monitoring and Alerts", "Appendix: ")
LABELS = ("Should see:", "Look for:", "Expected:")
MARKER = re.compile(r"(- \[ \] |- |\d+\. )")
LEADS = ("#", "cd ", "chmod ")

Said = tuple[str, str, str]  # heading, section, line


def said_by_the_guide() -> list[Said]:
    return list(read(GUIDE.read_text()))


def read(text: str) -> Iterator[Said]:
    heading, section, language = "", "", ""
    block: list[str] | None = None
    for raw in text.splitlines():
        said = raw.strip()
        if said.startswith("```"):
            if block is None:
                block, language = [], said.removeprefix("```")
                continue
            found, block = block, None
            lines = commands(found) if language == "bash" else [joined(found)]
        elif block is not None:
            block.append(raw)
            continue
        elif raw.startswith("## "):
            heading, section = raw.removeprefix("## "), ""
            continue
        elif raw.startswith("### "):
            section = raw.removeprefix("### ")
            continue
        else:
            plain = MARKER.sub("", said, count=1) if MARKER.match(said) else said
            lines = [plain.replace("**", "")]
        if heading.startswith(PARTS):
            yield from ((heading, section, one) for one in lines if one and one not in LABELS)


def commands(block: list[str]) -> Iterator[str]:
    """One by one, each behind what leads to it."""
    leads: list[str] = []
    here_document = ""
    for line in "\n".join(block).replace("\\\n", " ").splitlines():
        said = joined([line])
        if here_document:
            here_document = "" if said == here_document else here_document
            continue
        if not said:
            if leads:
                yield "; ".join(leads)
            leads = []
            continue
        leads.append(said)
        if said.startswith(LEADS):
            continue
        yield "; ".join(leads)
        leads = []
        if opened := re.search(r"<< '(\w+)'$", said):
            here_document = opened.group(1)
    if leads:
        yield "; ".join(leads)


def joined(lines: list[str]) -> str:
    return re.sub(r"\s+", " ", " ".join(lines)).strip()

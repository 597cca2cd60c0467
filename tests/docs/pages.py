"""The project's documents, read: their blocks of code, the commands in them, their links."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    *("README.md", "CHANGELOG.md", "runbook.md"),
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
)
SCRIPTS = ("docs/examples/foreign_service/try.sh",)
GENERATED = "docs/commands.md"
BLOCK = re.compile(
    r"(?:^<!-- (?P<when>not run|run with EMONK_LONG=1): (?P<why>.*?) -->\n)?"
    r"^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)
TYPED = re.compile(r"`(?P<text>(?:[^`\n]|\n(?!\n))+)`")
ASIDE = str.maketrans("&|;>", "\0\1\2\3")
BACK = str.maketrans("\0\1\2\3", "&|;>")
PLACEHOLDERS = re.compile(r"[A-Z][A-Z0-9_]*|…|\.\.\.")


@dataclass(frozen=True)
class Block:
    """A fenced block. `when` is empty, "not run" or "run with EMONK_LONG=1", `why` its reason."""

    page: str
    language: str
    text: str
    when: str
    why: str

    @property
    def lines(self) -> list[str]:
        """Its lines, continued ones joined, empty ones and comments left out."""
        joined = re.sub(r"\\\n\s*", "", self.text).splitlines()
        return [line for line in joined if line.strip() and not line.lstrip().startswith("#")]

    @property
    def wants_gcloud(self) -> bool:
        return "gcloud" in self.text or "$EMONK_SANDBOX_HTTP" in self.text


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> Iterator[Block]:
    for one in BLOCK.finditer(text_of(page)):
        yield Block(page, one["language"], one["text"], one["when"] or "", one["why"] or "")


def prose(page: str) -> str:
    return BLOCK.sub("", text_of(page))


def shell_lines(page: str) -> Iterator[str]:
    """What a reader may type: the lines of a page's bash blocks, or of a script."""
    if page.endswith(".sh"):
        yield from re.sub(r"\\\n\s*", "", text_of(page)).splitlines()
        return
    for block in blocks(page):
        if block.language == "bash":
            yield from block.lines


def typed_in(line: str, program: str) -> Iterator[list[str]]:
    """The words behind `program`, for each time that a line of shell calls it."""
    for inner in re.findall(r"\$\(([^()]*)\)", line):
        yield from typed_in(inner, program)
    for part in re.split(r"&&|\|\|?|;", _quoted_aside(line)):
        part = re.sub(r"\d?>>?\s*\S+", "", part)
        words = shlex.split(part.translate(BACK), comments=True)
        if words[:1] == [program]:
            yield words[1:]


def _quoted_aside(line: str) -> str:
    """What ends a command or redirects it does not do so inside quotes."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", lambda one: one[0].translate(ASIDE), line)


def spans(page: str) -> Iterator[str]:
    """Each piece of code in the prose."""
    for one in TYPED.finditer(prose(page)):
        yield one["text"].replace("\\|", "|")


def mentioned(page: str) -> Iterator[list[str]]:
    """The words of each piece of code in the prose, once for each word that a bar parts."""
    for text in spans(page):
        yield from _alternatives(_words(text))


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text.replace("[", " ").replace("]", " "))
    except ValueError:
        return text.split()


def _alternatives(words: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for word in words:
        found = [[*before, part] for before in found for part in word.split("|")]
    return found


def is_placeholder(word: str) -> bool:
    return PLACEHOLDERS.fullmatch(word) is not None


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), flags=re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower())
        anchor, number = plain.replace(" ", "-"), 0
        while (name := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(name)
    return found


def links(page: str) -> Iterator[str]:
    """The targets of a page's links to the project itself."""
    yield from re.findall(r"\]\((?!https?:)([^)\s]+)\)", prose(page))

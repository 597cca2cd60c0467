"""A reader who types the pages' commands, line by line, into one shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.docs import pages

EXPECTED = re.compile(r"#.*\bexit (\d+)")
BY_HAND = ("docs/sandbox.md", "docs/SCHEDULER_SETUP.md")  # with gcloud
LAST = "emonk-ops sandbox down"
MARK = "=== typed"
LONG = bool(os.environ.get("EMONK_LONG"))


@dataclass(frozen=True)
class Typed:
    """A line, the exit code it ended with, and what it printed on both streams."""

    line: str
    code: int
    said: str

    @property
    def expected(self) -> int:
        """What its comment says it ends with here; else 0."""
        found = EXPECTED.search(self.line)
        return int(found[1]) if found else 0


class Reader:
    """Has `emonk-ops` on the path and a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder / "tools"
        tools.mkdir()
        program = tools / "emonk-ops"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m emonk_ops "$@"\n')
        program.chmod(0o755)
        self._path = f"{tools}{os.pathsep}{os.environ['PATH']}"

    def type(self, lines: Iterable[str], *, patience_seconds: float) -> list[Typed]:
        """Every line in one shell, so that what one exports the next has."""
        typed = list(lines)
        script = "\n".join(
            f'{line}\nprintf "\\n%s\\n" "{MARK} {n} $?"' for n, line in enumerate(typed)
        )
        ran = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env={**os.environ, "PATH": self._path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience_seconds,
        )
        told = re.split(rf"^{MARK} (\d+) (\d+)$", ran.stdout, flags=re.MULTILINE)
        ends = zip(told[0::3], told[1::3], told[2::3], strict=False)
        return [Typed(typed[int(n)], int(code), said) for said, n, code in ends]


def lines_to_type(*names: str, gcloud: bool, long: tuple[str, ...] = ()) -> list[str]:
    """The lines of these pages, each once, of blocks with gcloud or without.

    What is marked to take long is among them only for the pages in `long`.
    """
    found: dict[str, None] = {}
    for name in names:
        for block in pages.blocks(name):
            skipped = block.when == "not run" or (block.when and name not in long)
            if block.language == "bash" and not skipped and block.wants_gcloud == gcloud:
                found |= dict.fromkeys(block.lines)
    return list(found)


def wrong(typed: list[Typed]) -> list[str]:
    return [
        f"{one.line}\nended with {one.code}, expected {one.expected}:\n{one.said}"
        for one in typed
        if one.code != one.expected
    ]

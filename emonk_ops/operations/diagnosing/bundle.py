"""A support bundle: one archive with what somebody far away needs, bounded, without secrets."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MOST_BYTES = 5_000_000  # of all files together, before they are packed
MOST_OF_A_LIST = 1_000_000
README = "README.txt"
FOLDER = "emonk-diagnosis"


@dataclass
class Parts:
    """Files by name, and what was cut. `add` and `add_lines` take plain data without secrets."""

    files: dict[str, bytes] = field(default_factory=dict)
    about: dict[str, str] = field(default_factory=dict)
    cut: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(len(one) for one in self.files.values())

    def add(self, name: str, about: str, content: str | Mapping[str, Any] | list[Any]) -> None:
        """A text, or data as JSON. What finds no room is left away and said."""
        text = content if isinstance(content, str) else _pretty(content)
        blob = text.encode()
        if self.size + len(blob) > MOST_BYTES:
            self.cut.append(f"{name}: left away, it has {len(blob)} bytes")
            return
        self.files[name], self.about[name] = blob, about

    def add_lines(self, name: str, about: str, newest_first: Iterable[Mapping[str, Any]]) -> None:
        """One JSON object a line, oldest first; the oldest are cut where there are too many."""
        kept: list[bytes] = []
        room, left = min(MOST_OF_A_LIST, MOST_BYTES - self.size), 0
        for one in newest_first:
            line = (json.dumps(one, ensure_ascii=False, default=str) + "\n").encode()
            if left or len(line) > room:
                left += 1
                continue
            kept.append(line)
            room -= len(line)
        if left:
            self.cut.append(f"{name}: {left} older entries left away, {len(kept)} kept")
        self.files[name] = b"".join(reversed(kept))
        self.about[name] = f"{about} ({len(kept)} entries)"


def archive(parts: Parts, heading: str, made_at: datetime) -> bytes:
    """The .tar.gz, README first."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, blob in {README: readme(parts, heading).encode(), **parts.files}.items():
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mtime = len(blob), int(made_at.timestamp())
            tar.addfile(entry, io.BytesIO(blob))
    return buffer.getvalue()


def readme(parts: Parts, heading: str) -> str:
    listed = [f"  {name:20} {about}" for name, about in parts.about.items()]
    cut = [f"  {one}" for one in parts.cut] or ["  nothing"]
    lines = (
        heading,
        "",
        "Begin with diagnosis.txt: what is wrong, by which evidence, and what to do.",
        "Every time is UTC. A .jsonl file has one JSON object a line, oldest first.",
        "Tokens, keys and passwords were replaced by [redacted]; job payloads were left out.",
        "",
        "Files:",
        *listed,
        "",
        "Cut to keep it small:",
        *cut,
    )
    return "\n".join(lines) + "\n"


def _pretty(content: Mapping[str, Any] | list[Any]) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, default=str) + "\n"

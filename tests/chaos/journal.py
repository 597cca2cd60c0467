"""Append-only logs of JSON lines that several processes write at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """Each entry is one O_APPEND write, so that a killed process leaves no half of one."""

    def __init__(self, path: Path, **constant: Any) -> None:
        self._constant = constant
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, kind: str, **fields: Any) -> None:
        entry = {"kind": kind, **self._constant, **fields}
        os.write(self._file, json.dumps(entry, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """The entries so far; a line that is still being written is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            yield json.loads(line)

"""Watches the journals of a folder for a kind of record, to strike at that very moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

EVERY_SECONDS = 0.02


class Watcher:
    """While it is entered: `strike` is called once, when a record of the kind is written."""

    def __init__(self, folder: Path, kind: str, strike: Callable[[], None]) -> None:
        self._folder = folder
        self._kind = f'"kind":"{kind}"'
        self._strike = strike
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True) if kind else None
        self._before = self._count()

    def __enter__(self) -> Watcher:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            if self._count() > self._before:
                self._strike()
                return

    def _count(self) -> int:
        journals = self._folder.glob(".emonk-ops/*/journal.jsonl")
        return sum(path.read_text().replace(" ", "").count(self._kind) for path in journals)

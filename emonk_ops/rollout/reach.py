"""Documents of a database that may be down: once it was, it is left alone for a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from emonk_ops.clock import Clock, Stopwatch
from emonk_ops.errors import CloudError, Conflict, Unreachable
from emonk_ops.state_ports import Document, Documents, Fields

T = TypeVar("T")
REST_SECONDS = 15.0


class Reach:
    """See `emonk_ops.state_ports.Documents`. Whatever the cloud says no with is Unreachable.

    `note` is a file that remembers, over processes, since when. `clock` is this machine's.
    """

    def __init__(
        self, documents: Documents, note: Path, clock: Clock, *, rest_seconds: float = REST_SECONDS
    ) -> None:
        self._documents = documents
        self._note = note
        self._clock = clock
        self._rest_seconds = rest_seconds
        self._failure: Unreachable | None = None
        self._failed_for = Stopwatch()

    @property
    def where(self) -> str:
        return self._documents.where

    def since(self) -> tuple[datetime | None, str]:
        """Since when it cannot be reached, and why; (None, "") while it can."""
        try:
            found = json.loads(self._note.read_text())
            return datetime.fromisoformat(found["since"]), str(found["why"])
        except (OSError, ValueError, KeyError, TypeError):
            return None, ""

    def read(self, path: str) -> tuple[Document | None, datetime]:
        return self._asked(lambda: self._documents.read(path))

    def read_from(self, collection: str, first: str) -> tuple[tuple[Document, ...], datetime]:
        return self._asked(lambda: self._documents.read_from(collection, first))

    def create(self, path: str, fields: Fields) -> datetime:
        return self._asked(lambda: self._documents.create(path, fields))

    def replace(self, path: str, fields: Fields, version: datetime) -> datetime:
        return self._asked(lambda: self._documents.replace(path, fields, version))

    def put(self, path: str, fields: Fields) -> datetime:
        return self._asked(lambda: self._documents.put(path, fields))

    def _asked(self, call: Callable[[], T]) -> T:
        if self._failure is not None and self._failed_for.seconds < self._rest_seconds:
            raise self._failure
        try:
            answer = call()
        except Conflict:
            self._reached()
            raise
        except CloudError as error:
            raise self._lost(error) from error
        self._reached()
        return answer

    def _reached(self) -> None:
        self._failure = None
        with suppress(OSError):
            self._note.unlink(missing_ok=True)

    def _lost(self, error: CloudError) -> Unreachable:
        self._failure = Unreachable(
            f"the state in {self.where} cannot be reached: {error.message}", hint=error.hint
        )
        self._failed_for = Stopwatch()
        if self.since()[0] is None:
            found = {"since": self._clock.now().isoformat(), "why": error.message}
            with suppress(OSError):
                self._note.parent.mkdir(parents=True, exist_ok=True)
                self._note.write_text(json.dumps(found))
        return self._failure

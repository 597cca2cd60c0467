"""What people configure in Monitoring, kept as messages by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emonk_ops.sandbox.monitoring.errors import not_found
from emonk_ops.sandbox.store import Store


class Kept:
    """Messages of one kind (`word` for people), each under its full name."""

    def __init__(self, store: Store, kind: str, message: Any, word: str) -> None:
        self._store = store
        self._kind = kind
        self._message = message
        self._word = word

    def put(self, message: Any) -> None:
        self._store.put(self._kind, message.name, message.SerializeToString())

    def get(self, name: str) -> Any:
        """Raises Refusal where there is none."""
        kept = self._store.get(self._kind, name)
        if kept is None:
            raise not_found(f"{self._word} {name}")
        return self._message.FromString(kept)

    def delete(self, name: str) -> None:
        self.get(name)
        self._store.delete(self._kind, name)

    def all(self, parent: str = "") -> Iterator[Any]:
        """Those under `parent` (projects/P), in order of their names."""
        for _, raw in self._store.list(self._kind, f"{parent}/" if parent else ""):
            yield self._message.FromString(raw)

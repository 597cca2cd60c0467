"""A listener on the log store: entries as they are written, bounded, losses counted."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

CAPACITY = 10_000


class Subscription:
    """Use as a context manager; leaving it ends the listening."""

    def __init__(self, listeners: set[Subscription], capacity: int = CAPACITY) -> None:
        self._listeners = listeners
        self._capacity = capacity
        self._entries: deque[Any] = deque()
        self._arrived = asyncio.Event()
        self._dropped = 0

    def __enter__(self) -> Subscription:
        self._listeners.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._listeners.discard(self)

    def offer(self, entry: Any) -> None:
        """Take a raw LogEntry; when the reader is too slow the newest is dropped and counted."""
        if len(self._entries) >= self._capacity:
            self._dropped += 1
        else:
            self._entries.append(entry)
        self._arrived.set()

    async def arrived(self) -> None:
        """Return as soon as at least one entry (or one loss) is there to be taken."""
        await self._arrived.wait()

    def take(self) -> tuple[list[Any], int]:
        """All raw entries that arrived, and how many were dropped, since the last call."""
        entries, dropped = list(self._entries), self._dropped
        self._entries.clear()
        self._dropped = 0
        self._arrived.clear()
        return entries, dropped

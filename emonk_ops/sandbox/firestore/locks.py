"""Locks of read-write transactions: what one has read, nobody else changes before it ends.

A write waits for the readers of what it touches, at most two real seconds, as in Google's
emulator; where waiting cannot help, because both wait for each other, the one that came last is
refused at once. New readers queue behind a waiting write, so that it gets its turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from emonk_ops.sandbox.firestore.errors import lock_timeout

WAIT_SECONDS = 2.0
_LOOK_AGAIN_SECONDS = 0.05  # an abandoned transaction ends by the world's clock, and tells nobody


class Holder(Protocol):
    """A transaction: compared and hashed by identity."""

    @property
    def over(self) -> bool:
        """Whether it ended, or was idle for too long."""
        ...


@dataclass(frozen=True, slots=True)
class Range:
    """All documents that a query may see: those of a collection, or of a group below `parent`."""

    parent: str
    collection: str
    descendants: bool

    def covers(self, path: str) -> bool:
        prefix = f"{self.parent}/" if self.parent else ""
        if not path.startswith(prefix):
            return False
        inside = path[len(prefix) :].split("/")
        if not self.descendants and len(inside) != 2:
            return False
        return not self.collection or inside[-2] == self.collection


class _Waiter:
    def __init__(self, owner: Holder | None, paths: frozenset[str]) -> None:
        self.owner = owner
        self.paths = paths
        self.blockers: set[object] = set()
        self.woken = asyncio.Event()


class Locks:
    """The locks of one database."""

    def __init__(self) -> None:
        self._readers: dict[str, set[Holder]] = {}
        self._ranges: dict[Holder, set[Range]] = {}
        self._read: dict[Holder, set[str]] = {}
        self._waiting: list[_Waiter] = []

    async def before_write(self, paths: Iterable[str], owner: Holder | None) -> None:
        """Return when nobody but `owner` has read any of the paths; the caller must then write
        before it awaits anything. Raises Refusal (ABORTED).
        """
        if not self._read and not self._ranges:
            return
        wanted = frozenset(paths)
        await self._until_free(owner, wanted, lambda: self._holders(wanted, owner))

    def blocked(self, path: str) -> bool:
        """Whether a write by nobody's transaction would have to wait."""
        return bool((self._read or self._ranges) and self._holders(frozenset((path,)), None))

    async def before_read(self, paths: Iterable[str], owner: Holder) -> None:
        """Give `owner` the read locks of documents. Raises Refusal (ABORTED)."""
        wanted = set(paths) - self._read.get(owner, set())
        await self._until_free(owner, frozenset(), lambda: self._writers(wanted, owner))
        self._read.setdefault(owner, set()).update(wanted)
        for path in wanted:
            self._readers.setdefault(path, set()).add(owner)

    async def before_query(self, seen: Range, owner: Holder) -> None:
        """Give `owner` the read lock of a range. Raises Refusal (ABORTED)."""
        if seen in self._ranges.get(owner, ()):
            return
        await self._until_free(owner, frozenset(), lambda: self._writers_within(seen, owner))
        self._ranges.setdefault(owner, set()).add(seen)

    def release(self, owner: Holder) -> None:
        """Drop all locks of a transaction that ended."""
        for path in self._read.pop(owner, ()):
            readers = self._readers[path]
            readers.discard(owner)
            if not readers:
                del self._readers[path]
        self._ranges.pop(owner, None)
        self._wake()

    def clear(self) -> None:
        """Forget every lock."""
        for holder in {*self._read, *self._ranges}:
            self.release(holder)

    async def _until_free(
        self, owner: Holder | None, paths: frozenset[str], blockers: Callable[[], set[object]]
    ) -> None:
        found = blockers()
        if not found:
            return
        waiter = _Waiter(owner, paths)
        self._waiting.append(waiter)
        try:
            give_up = asyncio.get_running_loop().time() + WAIT_SECONDS
            while found:
                waiter.blockers = found
                left = give_up - asyncio.get_running_loop().time()
                if left <= 0 or (owner is not None and self._waits_for_itself(waiter)):
                    raise lock_timeout()
                waiter.woken.clear()
                try:
                    await asyncio.wait_for(waiter.woken.wait(), min(left, _LOOK_AGAIN_SECONDS))
                except TimeoutError:
                    self._end_forgotten()
                found = blockers()
        finally:
            self._waiting.remove(waiter)
            self._wake()

    def _holders(self, paths: frozenset[str], owner: Holder | None) -> set[object]:
        self._end_forgotten()
        found: set[object] = set()
        for path in paths:
            found.update(self._readers.get(path, ()))
        for holder, ranges in self._ranges.items():
            if any(one.covers(path) for one in ranges for path in paths):
                found.add(holder)
        found.discard(owner)
        return found

    def _writers(self, paths: set[str], owner: Holder) -> set[object]:
        return {
            waiter
            for waiter in self._waiting
            if waiter.owner is not owner and not waiter.paths.isdisjoint(paths)
        }

    def _writers_within(self, seen: Range, owner: Holder) -> set[object]:
        return {
            waiter
            for waiter in self._waiting
            if waiter.owner is not owner and any(seen.covers(path) for path in waiter.paths)
        }

    def _waits_for_itself(self, waiter: _Waiter) -> bool:
        """Whether who blocks the waiter waits, over any number of others, for its owner."""
        reached: set[object] = set()
        ahead = list(waiter.blockers)
        while ahead:
            one = ahead.pop()
            if one is waiter.owner:
                return True
            if one in reached:
                continue
            reached.add(one)
            if isinstance(one, _Waiter):
                ahead += one.blockers
            else:
                ahead += [other for other in self._waiting if other.owner is one]
        return False

    def _end_forgotten(self) -> None:
        for holder in [one for one in {*self._read, *self._ranges} if one.over]:
            self.release(holder)

    def _wake(self) -> None:
        for waiter in self._waiting:
            waiter.woken.set()

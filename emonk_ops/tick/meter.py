"""What one tick asks of its storage: a pass-through that counts and times each call."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from emonk_ops.tick.clock import Clock, real_seconds
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.storage import (
    DueAfter,
    DuePage,
    JobStorage,
    Lock,
    Outcome,
    Stored,
    Verdict,
    Write,
)

T = TypeVar("T")


class StorageMeter:
    """The calls a tick makes, and the store's clock as last heard.

    `now()` is the store's clock: the last read time plus the time since before it was asked for.
    Reads and writes are counted in documents; an empty query counts as one read.
    """

    def __init__(self, storage: JobStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._heard: tuple[datetime, float] | None = None
        self._latencies: list[float] = []
        self.operations = 0
        self.reads = 0
        self.writes = 0
        self.errors: dict[str, dict[str, Any]] = {}

    def now(self) -> datetime:
        """The store's clock; to be asked only after a first `read_due`."""
        if self._heard is None:
            raise RuntimeError("the store's clock was asked for before the first poll")
        read_time, asked_at = self._heard
        return read_time + timedelta(seconds=self._clock.monotonic() - asked_at)

    async def read_due(self, limit: int, after: DueAfter | None) -> DuePage:
        asked_at = self._clock.monotonic()
        page = await self._call(self._storage.read_due(limit, after))
        self.reads += max(1, len(page.jobs))
        self._heard = (page.read_time, asked_at)
        return page

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        """As the port's, but a call that failed is an unclear outcome for each of its writes."""
        self.writes += len(batch)
        try:
            outcomes = await self._call(self._storage.write(batch))
        except StorageError as error:
            return tuple(Outcome(Verdict.UNCLEAR, code=error.code) for _ in batch)
        for outcome in outcomes:
            if outcome.verdict is Verdict.UNCLEAR:
                self.note(outcome.code, transient=True)
        return outcomes

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        self.reads += len(ids)
        return await self._call(self._storage.get(ids))

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        """As the port's; a key that another has cost a read to know."""
        self.writes += len(wanted)
        locks = await self._call(self._storage.lock(wanted))
        self.reads += sum(lock is None for lock in locks)
        return locks

    async def unlock(self, locks: Sequence[Lock]) -> None:
        self.writes += len(locks)
        await self._call(self._storage.unlock(locks))

    def note(self, code: str, *, transient: bool) -> None:
        """Count one error of the storage."""
        entry = self.errors.setdefault(code, {"count": 0, "transient": transient})
        entry["count"] += 1

    @property
    def latency_ms(self) -> dict[str, float]:
        """Count, median and maximum of the calls' real durations."""
        ordered = sorted(self._latencies)
        if not ordered:
            return {"count": 0, "p50": 0.0, "max": 0.0}
        middle = ordered[len(ordered) // 2]
        return {"count": len(ordered), "p50": round(middle, 3), "max": round(ordered[-1], 3)}

    async def _call(self, call: Awaitable[T]) -> T:
        self.operations += 1
        begun = real_seconds()
        try:
            return await call
        except StorageError as error:
            self.note(error.code, transient=error.transient)
            raise
        finally:
            self._latencies.append((real_seconds() - begun) * 1000)

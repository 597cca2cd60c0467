"""Jobs in the memory of one process: for tests and for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.storage import (
    DriverRecord,
    DueAfter,
    DuePage,
    Lock,
    Outcome,
    Stored,
    Verdict,
    Write,
)
from emonk_ops.tick.storage.state import StoreState


class MemoryStorage:
    """Implements the whole port; nothing survives the process. Its clock is the one handed in."""

    kind = "memory"

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = StoreState()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ping(self) -> None:
        return

    async def clock(self) -> datetime:
        return self._clock.now()

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        now = self._clock.now()
        return DuePage(self._state.due(now, limit, after), now)

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        return tuple(self._write(write) for write in batch)

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        return tuple(self._state.get(job_id) for job_id in ids)

    async def remove(self, stored: Stored) -> bool:
        held = self._state.get(stored.job.id)
        if held is None or held.version != stored.version:
            return False
        self._state.drop(stored.job.id)
        return True

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        return self._state.by_id(limit, after)

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        return tuple(self._lock(lock) for lock in wanted)

    async def unlock(self, locks: Sequence[Lock]) -> None:
        for lock in filter(self._state.holds, locks):
            self._state.drop_lock(lock.key)

    async def count_leases(self) -> int:
        return self._state.live_leases(self._clock.now())

    async def driver(self) -> DriverRecord | None:
        return self._state.driver

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        held = self._state.driver
        if (0 if held is None else held.epoch) != expected_epoch:
            return False
        self._state.driver = record
        return True

    def _lock(self, lock: Lock) -> Lock | None:
        if not self._state.lockable(lock, self._clock.now()):
            return None
        self._state.put_lock(lock)
        return lock

    def _write(self, write: Write) -> Outcome:
        if not self._state.admits(write):
            return Outcome(Verdict.CONFLICT)
        return Outcome(Verdict.OK, self._state.put(write.job).version)

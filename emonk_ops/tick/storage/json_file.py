"""Jobs in one file of one host, shared by its processes under a file lock.

Each call takes the lock, reads what others appended, and works on the state in memory; a poll
therefore costs what is due, and a write what is written. The file is compacted when most of it is
history. The store's clock is the host's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from emonk_ops.tick.clock import Clock, real_seconds
from emonk_ops.tick.errors import InvalidJob, StorageError
from emonk_ops.tick.instants import from_text, to_text
from emonk_ops.tick.jobs import Job
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
from emonk_ops.tick.storage.job_log import JobLog, Record
from emonk_ops.tick.storage.state import StoreState

LOCK_TIMEOUT_SECONDS = 2.0
LOCK_PAUSE_SECONDS = 0.002
SLACK_RECORDS = 2000


class JsonFileStorage:
    """Implements the whole port. Damage found on opening or later makes every call fail."""

    kind = "json"

    def __init__(self, path: str | Path, clock: Clock) -> None:
        self._log = JobLog(Path(path))
        self._clock = clock
        self._state = StoreState()
        self._broken: StorageError | None = None
        self._slack = SLACK_RECORDS

    @property
    def dropped_records(self) -> int:
        """How many incomplete last records were dropped since this process opened the file."""
        return self._log.dropped

    async def open(self) -> None:
        self._log.close()
        self._state = StoreState()
        try:
            self._log.open()
        except OSError as error:
            raise _failed(self._log.path, error) from error
        self._broken = None
        async with self._exclusively():
            pass

    async def close(self) -> None:
        self._log.close()

    async def ping(self) -> None:
        async with self._exclusively():
            pass

    async def clock(self) -> datetime:
        return self._clock.now()

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        async with self._exclusively():
            now = self._clock.now()
            return DuePage(self._state.due(now, limit, after), now)

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        async with self._exclusively():
            sequence = self._state.sequence
            won: dict[str, tuple[int, Job]] = {}
            outcomes: list[Outcome] = []
            for write in batch:
                if write.job.id in won or not self._state.admits(write):
                    outcomes.append(Outcome(Verdict.CONFLICT))
                    continue
                sequence += 1
                won[write.job.id] = (sequence, write.job)
                outcomes.append(Outcome(Verdict.OK, str(sequence)))
            self._append([{"v": number, "job": job.to_dict()} for number, job in won.values()])
            for number, job in won.values():
                self._state.put(job, number)
            self._compact()
            return tuple(outcomes)

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        async with self._exclusively():
            return tuple(self._state.get(job_id) for job_id in ids)

    async def remove(self, stored: Stored) -> bool:
        async with self._exclusively():
            held = self._state.get(stored.job.id)
            if held is None or held.version != stored.version:
                return False
            self._append([{"drop": stored.job.id}])
            self._state.drop(stored.job.id)
            return True

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        async with self._exclusively():
            return self._state.by_id(limit, after)

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        async with self._exclusively():
            now = self._clock.now()
            won: dict[str, Lock] = {}
            for lock in wanted:
                if self._state.lockable(lock, now):
                    won.setdefault(lock.key, lock)
            self._append([_lock_record(lock) for lock in won.values()])
            for lock in won.values():
                self._state.put_lock(lock)
            return tuple(lock if won.get(lock.key) is lock else None for lock in wanted)

    async def unlock(self, locks: Sequence[Lock]) -> None:
        async with self._exclusively():
            held = [lock.key for lock in locks if self._state.holds(lock)]
            self._append([{"unlock": key} for key in held])
            for key in held:
                self._state.drop_lock(key)

    async def count_leases(self) -> int:
        async with self._exclusively():
            return self._state.live_leases(self._clock.now())

    async def driver(self) -> DriverRecord | None:
        async with self._exclusively():
            return self._state.driver

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        async with self._exclusively():
            held = self._state.driver
            if (0 if held is None else held.epoch) != expected_epoch:
                return False
            self._append([_driver_record(record)])
            self._state.driver = record
            return True

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[None]:
        """The lock, and all that other processes wrote; nothing is awaited while it is held."""
        if self._broken is not None:
            raise self._broken
        give_up = real_seconds() + LOCK_TIMEOUT_SECONDS
        while not self._log.try_lock():
            if real_seconds() >= give_up:
                raise StorageError(
                    f"{self._log.path} was locked by another process for "
                    f"{LOCK_TIMEOUT_SECONDS:g} s.",
                    code="UNAVAILABLE",
                    transient=True,
                )
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        with self._log.locked():
            self._catch_up()
            yield

    def _catch_up(self) -> None:
        try:
            if self._log.replaced():
                self._state = StoreState()
                self._log.reopen()
            for record in self._log.unread():
                self._apply(record)
        except OSError as error:
            raise _failed(self._log.path, error) from error
        except StorageError as error:
            self._broken = error
            raise

    def _apply(self, record: Record) -> None:
        try:
            if "job" in record:
                self._state.put(Job.from_dict(record["job"]), int(record["v"]))
            elif "drop" in record:
                self._state.drop(record["drop"])
            elif "lock" in record:
                self._state.put_lock(_lock_of(record))
            elif "unlock" in record:
                self._state.drop_lock(record["unlock"])
            elif "sequence" in record:
                self._state.sequence = int(record["sequence"])
            elif "driver" in record:
                self._state.driver = DriverRecord(**record["driver"])
            else:
                raise KeyError("job")
        except (InvalidJob, KeyError, TypeError, ValueError) as error:
            raise self._log.damaged(f"no record of this version: {error}") from error

    def _append(self, records: list[Record]) -> None:
        if not records:
            return
        try:
            self._log.append(records)
        except OSError as error:
            raise _failed(self._log.path, error) from error

    def _compact(self) -> None:
        if self._log.records <= 2 * len(self._state) + self._slack:
            return
        records: list[Record] = [{"sequence": self._state.sequence}]
        records += [
            {"v": int(stored.version), "job": stored.job.to_dict()} for stored in self._state
        ]
        records += [_lock_record(lock) for lock in self._state.live_locks(self._clock.now())]
        if self._state.driver is not None:
            records.append(_driver_record(self._state.driver))
        try:
            self._log.replace(records)
        except OSError:
            # What was asked for is written; a full disk is no reason to say that it is not.
            self._slack *= 2


def _driver_record(record: DriverRecord) -> Record:
    return {"driver": {"driver": record.driver, "epoch": record.epoch, "revision": record.revision}}


def _lock_record(lock: Lock) -> Record:
    return {"lock": {"key": lock.key, "holder": lock.holder, "until": to_text(lock.until)}}


def _lock_of(record: Record) -> Lock:
    data = record["lock"]
    return Lock(str(data["key"]), str(data["holder"]), from_text(data["until"], "until"))


def _failed(path: Path, error: OSError) -> StorageError:
    return StorageError(
        f"{path}: {error.strerror or error}.",
        code="UNAVAILABLE",
        transient=True,
        hint="Is there room, and may the service write there (SCHEDULER_JSON_PATH)?",
    )

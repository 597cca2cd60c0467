"""Jobs in memory with an index of what is due: the state behind the memory and json stores."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime

from emonk_ops.tick.jobs import Job
from emonk_ops.tick.storage import DriverRecord, DueAfter, Lock, Stored, Write

SLACK = 1024


class StoreState:
    """A poll costs what is due, never what is stored."""

    def __init__(self) -> None:
        self.driver: DriverRecord | None = None
        self.sequence = 0
        self._jobs: dict[str, Stored] = {}
        self._ids: list[str] = []
        self._unsorted = False
        self._due: list[tuple[datetime, str, str]] = []
        self._leased: set[str] = set()
        self._locks: dict[str, Lock] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[Stored]:
        return iter(self._jobs.values())

    def get(self, job_id: str) -> Stored | None:
        return self._jobs.get(job_id)

    def admits(self, write: Write) -> bool:
        """Whether the expected version is the stored one."""
        held = self._jobs.get(write.job.id)
        return write.version == (None if held is None else held.version)

    def put(self, job: Job, sequence: int | None = None) -> Stored:
        """Store `job` under the next version, or under the one it was recorded with."""
        self.sequence = self.sequence + 1 if sequence is None else max(self.sequence, sequence)
        number = self.sequence if sequence is None else sequence
        stored = Stored(job, str(number))
        if job.id not in self._jobs:
            self._ids.append(job.id)
            self._unsorted = True
        self._jobs[job.id] = stored
        if job.lease is None:
            self._leased.discard(job.id)
        else:
            self._leased.add(job.id)
        if job.due_at is not None:
            heapq.heappush(self._due, (job.due_at, job.id, stored.version))
            if len(self._due) > 2 * len(self._jobs) + SLACK:
                self._reindex()
        return stored

    def drop(self, job_id: str) -> None:
        del self._jobs[job_id]
        self._ids.remove(job_id)
        self._leased.discard(job_id)

    def due(self, now: datetime, limit: int, after: DueAfter | None) -> tuple[Stored, ...]:
        """The first `limit` due jobs behind `after`; outdated index entries go on the way."""
        taken: list[tuple[datetime, str, str]] = []
        found: list[Stored] = []
        begin = None if after is None else (after.due_at, after.job_id)
        while self._due and self._due[0][0] <= now and len(found) < limit:
            entry = heapq.heappop(self._due)
            held = self._jobs.get(entry[1])
            if held is None or held.version != entry[2]:
                continue
            taken.append(entry)
            if begin is None or entry[:2] > begin:
                found.append(held)
        for entry in taken:
            heapq.heappush(self._due, entry)
        return tuple(found)

    def lockable(self, wanted: Lock, now: datetime) -> bool:
        """Whether the key is free, over time, or this holder's already."""
        held = self._locks.get(wanted.key)
        return held is None or held.until <= now or held.holder == wanted.holder

    def put_lock(self, lock: Lock) -> None:
        self._locks[lock.key] = lock

    def holds(self, lock: Lock) -> bool:
        """Whether the key is still in this holder's hands."""
        held = self._locks.get(lock.key)
        return held is not None and held.holder == lock.holder

    def drop_lock(self, key: str) -> None:
        self._locks.pop(key, None)

    def live_locks(self, now: datetime) -> list[Lock]:
        return [lock for lock in self._locks.values() if lock.until > now]

    def by_id(self, limit: int, after: str | None) -> tuple[Stored, ...]:
        if self._unsorted:
            self._ids.sort()
            self._unsorted = False
        begin = 0 if after is None else bisect_right(self._ids, after)
        return tuple(self._jobs[job_id] for job_id in self._ids[begin : begin + limit])

    def live_leases(self, now: datetime) -> int:
        return sum(self._jobs[job_id].job.holds_live_lease(now) for job_id in self._leased)

    def _reindex(self) -> None:
        self._due = [
            (held.job.due_at, held.job.id, held.version)
            for held in self._jobs.values()
            if held.job.due_at is not None
        ]
        heapq.heapify(self._due)

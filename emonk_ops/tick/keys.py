"""The concurrency keys of one tick: at most one job of a key is claimed, by anybody, at a time.

Before a job with a key is claimed, its key is locked under the lease's id until the lease's end;
after the job's end is recorded the key is freed. So a live lease always has its key, and what a
crash leaves behind ends with its lease. Jobs without a key pass through here at no cost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from emonk_ops.tick import logs
from emonk_ops.tick.claiming import Taken
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.storage import Lock, Stored, Write


class Keys:
    """Which keys this tick has, which are others', and whose turn comes next.

    A job whose key this tick has waits in line for it, `room` of them a key; one whose key another
    instance has is left for a later tick.
    """

    def __init__(self, meter: StorageMeter, log: Log, room: int) -> None:
        self._meter = meter
        self._log = log
        self._room = room
        self._ours: dict[str, Lock | None] = {}
        self._others: set[str] = set()
        self._line: dict[str, deque[Stored]] = {}
        self._left: dict[str, str] = {}
        self._overflown: set[str] = set()

    @property
    def left(self) -> int:
        """How many jobs were passed over and did not get their turn."""
        return len(self._left)

    @property
    def waiting(self) -> bool:
        """Whether jobs wait for a key that this tick has."""
        return any(self._line.values()) or bool(self._overflown)

    def passes_over(self, stored: Stored) -> bool:
        """Whether the job cannot be claimed now because of its key; else the key is its own."""
        job, key = stored.job, stored.job.concurrency_key
        if key is None:
            return False
        if key not in self._ours and key not in self._others:
            self._ours[key] = None
            if self._left.pop(job.id, None) is not None:
                self._leave_the_line(job.id, key)
            return False
        if job.id not in self._left:
            self._left[job.id] = key
            self._wait(stored, key)
        return True

    def next_in_line(self) -> Iterator[Stored]:
        """A job for each key that has become free."""
        for key, line in list(self._line.items()):
            if line and key not in self._ours:
                stored = line.popleft()
                self._ours[key] = None
                self._left.pop(stored.job.id, None)
                yield stored

    def poll_again(self) -> bool:
        """Whether a key has become free for which more jobs are due than waited in line."""
        free = {key for key in self._overflown if key not in self._ours and not self._line[key]}
        self._overflown -= free
        self._left = {job: key for job, key in self._left.items() if key not in free}
        return bool(free)

    async def lock(self, jobs: Iterable[Job]) -> set[str]:
        """Lock the keys of jobs about to be claimed; the ids of those that cannot have theirs."""
        wanted = {
            job.id: Lock(job.concurrency_key, job.lease.id, job.lease.until)
            for job in jobs
            if job.concurrency_key is not None and job.lease is not None
        }
        if not wanted:
            return set()
        try:
            locks = await self._meter.lock(list(wanted.values()))
        except StorageError as error:
            self._failed("keys could not be locked", error)
            locks = (None,) * len(wanted)
        refused = set()
        for (job_id, asked), lock in zip(wanted.items(), locks, strict=True):
            if lock is not None:
                self._ours[asked.key] = lock
            else:
                self._give_up(asked.key)
                self._left[job_id] = asked.key
                refused.add(job_id)
        return refused

    async def prolong(self, job: Job, until: datetime) -> bool:
        """Keep the key of a job in hand for longer; False when it is not ours. StorageError."""
        key = job.concurrency_key
        lock = None if key is None else self._ours.get(key)
        if key is None or lock is None:
            return key is None
        (longer,) = await self._meter.lock([Lock(key, lock.holder, until, lock.version)])
        if longer is not None:
            self._ours[key] = longer
        return longer is not None

    async def free(self, jobs: Iterable[Job]) -> None:
        """Give the keys back of jobs that are no longer in hand."""
        locks: list[Lock] = []
        for job in jobs:
            lock = self._ours.pop(job.concurrency_key or "", None)
            if lock is not None:
                locks.append(lock)
        if not locks:
            return
        try:
            await self._meter.unlock(locks)
        except StorageError as error:
            # They end with the leases they were taken for.
            self._failed("keys could not be freed", error)

    async def settle(self, writes: Sequence[Write], taken: Taken) -> None:
        """Give the keys back of claims that were lost, which have no version.

        Where a claim may have been made all the same, its key stays until the lease would end.
        """
        lost: list[Job] = []
        for write, version in zip(writes, taken.versions, strict=True):
            key = write.job.concurrency_key
            # What is settled without a run took no key: a mate may have it.
            if key is None or version is not None or write.job.lease is None:
                continue
            if write.job.id in taken.doubtful:
                self._give_up(key)
            else:
                lost.append(write.job)
        await self.free(lost)

    def _wait(self, stored: Stored, key: str) -> None:
        if key not in self._ours:
            return
        line = self._line.setdefault(key, deque())
        if len(line) < self._room:
            line.append(stored)
        else:
            self._overflown.add(key)

    def _leave_the_line(self, job_id: str, key: str) -> None:
        line = self._line.get(key, ())
        self._line[key] = deque(stored for stored in line if stored.job.id != job_id)

    def _give_up(self, key: str) -> None:
        self._ours.pop(key, None)
        self._others.add(key)
        self._line.pop(key, None)
        self._overflown.discard(key)

    def _failed(self, what: str, error: StorageError) -> None:
        self._log.error(
            logs.STORAGE_FAILED,
            what=what,
            code=error.code,
            transient=error.transient,
            error=str(error),
        )

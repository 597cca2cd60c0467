"""Shadow: the legacy loop and Cloud Scheduler's ticks side by side, each with half of the slots.

A job's `ordinal` counts the slots it has moved on from. Its parity, turned round for half of the
ids, says which path owns the slot in hand. The owner runs it; the other path leaves it alone until
a grace is over, and then takes it over. Slots that are coalesced or skipped on the way to the one
that runs belong to that run: the ordinal grows by one, so the paths take turns whatever is missed.

Each step is one log line, `Scheduler decision`. `decision` is claim, takeover, lost (the claim),
defer (once a slot, an instance and a path), execute, end, stale (an end whose lease was lost), skip
or dead (a slot that ended without a run). `idempotency_key` is what handlers are to key effects by.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from emonk_ops.tick import cron, logs
from emonk_ops.tick.clock import Clock
from emonk_ops.tick.driver import Driver, Path
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import NumberedLog
from emonk_ops.tick.settlement import Judgement, Left, Runnable, Settled
from emonk_ops.tick.tally import Tally

SPARE_SECONDS = 30.0
COUNTED_SLOTS = 120
MOST_REMEMBERED = 10_000
OTHERS = "the other path's"


def owner_of(job: Job) -> Path:
    """The path that owns the slot in hand; one-off jobs are spread by their ids alone."""
    turned = hashlib.sha256(job.id.encode("utf-8", "surrogatepass")).digest()[0]
    return Path.CRON if (job.ordinal + turned) % 2 else Path.LOOP


def grace_of(cadence: str, now: datetime) -> float:
    """Seconds a path leaves to the owner: the cadence's longest pause, and 30 s.

    Looks at the next 120 slots, for a cadence such as */7 is not even.
    """
    longest, slot = 0.0, cron.next_slot(cadence, "UTC", now)
    for _ in range(COUNTED_SLOTS):
        following = cron.next_slot(cadence, "UTC", slot)
        longest = max(longest, (following - slot).total_seconds())
        slot = following
    return longest + SPARE_SECONDS


class Shadow:
    """What the two paths of one instance share: the grace, and what was said of deferred slots."""

    def __init__(
        self,
        driver: Driver,
        lines: NumberedLog,
        clock: Clock,
        cadence: str,
        grace_seconds: float | None = None,
    ) -> None:
        self.driver = driver
        self.lines = lines
        self.clock = clock
        self._cadence = cadence
        self._grace_seconds = grace_seconds
        self._deferred: dict[tuple[Path, str], datetime] = {}

    @property
    def active(self) -> bool:
        """Whether both paths drive, by the record as last read."""
        record = self.driver.record
        return record is not None and record.driver == "shadow"

    @property
    def grace_seconds(self) -> float:
        """How long a due slot is its owner's alone."""
        if self._grace_seconds is None:
            self._grace_seconds = grace_of(self._cadence, self.clock.now())
        return self._grace_seconds

    def first_deferral(self, path: Path, job: Job) -> bool:
        """Whether this slot is deferred for the first time; only so many jobs are remembered."""
        key = (path, job.id)
        first = self._deferred.pop(key, None) != job.slot
        self._deferred[key] = job.slot
        if len(self._deferred) > MOST_REMEMBERED:
            del self._deferred[next(iter(self._deferred))]
        return first


class Turn:
    """One tick's part in the shadow; where only one path drives, it lets everything pass."""

    def __init__(self, shadow: Shadow, path: Path, tick_id: str, tally: Tally) -> None:
        self._shadow = shadow
        self._path = path
        self._tick_id = tick_id
        self._tally = tally
        self._active = shadow.active
        self._deferred: set[str] = set()
        self._began: dict[str, float] = {}

    def judge(self, job: Job, found: Judgement, now: datetime) -> Judgement:
        """`found`, or Left where the slot is the other path's and its grace is not over."""
        if isinstance(found, Left) or _housekeeping(found) or self.may_have(job, now):
            return found
        if job.id not in self._deferred:
            self._deferred.add(job.id)
            self._tally.add("deferred")
        if self._shadow.first_deferral(self._path, job):
            self._say("defer", job, now)
        return Left(OTHERS)

    def may_have(self, job: Job, now: datetime) -> bool:
        """Whether this path may settle the slot in hand at the store's `now`."""
        if not self._active or owner_of(job) is self._path:
            return True
        # Who held an expired lease has had its chance since the slot, not since the lease's end.
        since = job.slot if job.lease is not None or job.due_at is None else job.due_at
        return (now - since).total_seconds() > self._shadow.grace_seconds

    def claimed(self, found: Runnable, first: Job, job: Job, now: datetime) -> None:
        """`job` was claimed; `first` is as it was polled, before slots were folded into one."""
        if self._active:
            own = owner_of(job) is self._path
            if not own:
                self._tally.add("taken_over")
            self._say(
                "claim" if own else "takeover",
                job,
                now,
                first_slot=first.slot,
                coalesced=found.coalesced,
                skipped=found.skipped,
                rescued=found.rescued,
            )

    def lost(self, job: Job, now: datetime) -> None:
        """Somebody else was quicker."""
        if self._active:
            self._say("lost", job, now)

    def settled(self, found: Settled, first: Job, now: datetime) -> None:
        """The slot of `first` ended without a run."""
        if self._active and not _housekeeping(found):
            last = found.job.recent[-1]
            decision = "skip" if found.skipped else found.reason
            self._say(decision, first, now, count=last.count, through=last.through)

    def executing(self, job: Job, lease_id: str, now: datetime) -> None:
        """The handler begins."""
        if self._active:
            self._began[lease_id] = self._shadow.clock.monotonic()
            self._say("execute", job, now)

    def ended(self, job: Job, lease_id: str, outcome: str, reason: str, now: datetime) -> None:
        """The handler ended; whether its result is recorded is another line's matter."""
        if lease_id in self._began:
            took = self._shadow.clock.monotonic() - self._began.pop(lease_id)
            self._say(
                "end",
                job,
                now,
                outcome=outcome,
                error_type=reason.partition(":")[0] if outcome in ("failed", "stuck") else "",
                duration_ms=round(took * 1000, 3),
            )

    def stale(self, job: Job, now: datetime) -> None:
        """The result came too late: the job is no longer in this lease's hands."""
        if self._active:
            self._say("stale", job, now)

    def _say(self, decision: str, job: Job, now: datetime, **more: Any) -> None:
        shadow = self._shadow
        shadow.lines.info(
            logs.DECISION,
            decision=decision,
            path=self._path.value,
            owner=owner_of(job).value,
            job_id=job.id,
            job_type=job.type,
            slot=job.slot,
            ordinal=job.ordinal,
            lateness_seconds=round((now - job.slot).total_seconds(), 3),
            fence=job.fence,
            attempt=job.attempt,
            idempotency_key=job.idempotency_key,
            tick_id=self._tick_id,
            revision=shadow.driver.seat.revision,
            **more,
        )


def _housekeeping(found: Judgement) -> bool:
    return isinstance(found, Settled) and found.reason == "paused"

"""What happened in one run, and what must never happen: judged from the store's writes and effects.

The rules know nothing of how the scheduler decides. They hold each write against the one before,
each execution against the claim that allows it, and, at the end, each slot against its due time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick import logs
from emonk_ops.tick.driver import ADMITS
from emonk_ops.tick.handlers import HandlerContext
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import DriverRecord
from tests.simulation.world import MICRO, InstanceLoop, World

ENDS = ("succeeded", "dead", "skipped", "coalesced")
RESULTS = ("succeeded", "failed", "released")
# A claim may rest on a driver record, a poll and a write that took their time one after another.
LONGEST_WAY_SECONDS = 16.0
# A poll's answer may have been asked for so long before it was given.
LONGEST_POLL_SECONDS = 2.1
Key = tuple[str, int]


@dataclass
class Claim:
    """A lease as the store took it. `late`: the claimer had been told already that it failed."""

    job: Job
    who: str
    late: bool


@dataclass
class Execution:
    """A handler that was started under one fence."""

    number: int
    who: str
    slot: datetime
    freezes: int
    begun: bool = False


@dataclass
class Once:
    """What the attempts at one slot heard when they asked to begin one effect."""

    asked: list[int] = field(default_factory=list)
    granted: list[int] = field(default_factory=list)


class History:
    """Collects, and writes each violation down as one sentence."""

    def __init__(self, world: World, lease_seconds: float) -> None:
        self._world = world
        self._lease_seconds = lease_seconds
        self.violations: list[str] = []
        self.seen: Counter[str] = Counter()
        self.claims: dict[Key, Claim] = {}
        self.executions: dict[Key, Execution] = {}
        self.recorded: dict[Key, str] = {}
        self.promised: set[str] = set()
        self.drivers: list[tuple[int, DriverRecord]] = []
        self.held: defaultdict[str, list[Key]] = defaultdict(list)
        self.loops: dict[str, InstanceLoop] = {}
        self._mates: defaultdict[str, dict[str, Job]] = defaultdict(dict)
        self.late = False
        self._started: Counter[tuple[str, datetime]] = Counter()
        self._refunds: Counter[tuple[str, datetime]] = Counter()
        self._once: defaultdict[str, Once] = defaultdict(Once)

    def wrong(self, text: str) -> None:
        """Note a violation."""
        self.violations.append(f"at {self._world.now / MICRO:.6f} s: {text}")
        self._world.say(f"VIOLATION {text}")

    # What the store tells.

    def drives(self, record: DriverRecord) -> None:
        """The store's driver record is now `record`."""
        self._world.say(f"driver {record.driver} epoch {record.epoch} of {record.revision}")
        if self.drivers and record.epoch <= self.drivers[-1][1].epoch:
            self.wrong(
                f"the driver's epoch went from {self.drivers[-1][1].epoch} to {record.epoch}"
            )
        self.drivers.append((self._world.now, record))

    def wrote(self, who: str, old: Job | None, new: Job, now: datetime) -> None:
        """The store holds `new` where it held `old`."""
        if self._world.trace is not None:
            self._world.say(f"{who} wrote {_shown(new)}")
        self._reachable(new)
        if new.concurrency_key is not None:
            self._mates[new.concurrency_key][new.id] = new
        if old is None:
            return
        if new.fence < old.fence:
            self.wrong(f"{new.id}: the fence went from {old.fence} to {new.fence} by {who}")
        if new.slot == old.slot and new.attempt < old.attempt:
            self._refunds[new.id, new.slot] += old.attempt - new.attempt
        if _finished(old) and not _finished(new):
            self.wrong(f"{new.id}: it was {old.state.value} and is {new.state.value} by {who}")
        self._slots(who, old, new)
        self._lease(who, old, new, now)
        if who != "import":
            self._results(who, old, new)

    def _reachable(self, new: Job) -> None:
        if new.lease is not None and new.due_at != new.lease.until:
            self.wrong(f"{new.id}: leased until {new.lease.until}, due at {new.due_at}")
        if new.due_at is None and not new.paused and not _final(new):
            self.wrong(f"{new.id}: {new.state.value}, and nobody will ever look at it again")

    def _lease(self, who: str, old: Job, new: Job, now: datetime) -> None:
        live = old.holds_live_lease(now)
        same = old.lease is not None and new.lease is not None and old.lease.id == new.lease.id
        if new.lease is not None and not same:
            if live:
                self.wrong(f"{new.id}: a second live lease by {who}, fence {new.fence}")
            if who != "import":
                self._claim(who, old, new, now)
            return
        if new.lease is None and old.lease is not None:
            holder = _holder(old)
            if live and who != holder and new.state is not JobState.CANCELLED:
                self.wrong(f"{new.id}: {who} ended the live lease of {holder}")

    def _claim(self, who: str, old: Job, new: Job, now: datetime) -> None:
        assert new.lease is not None
        self.seen["claims"] += 1
        if old.lease is not None:
            self.seen["rescues"] += 1
        before = old.attempt if new.slot == old.slot else 0
        length = (new.lease.until - now).total_seconds()
        if new.fence <= old.fence or (new.id, new.fence) in self.claims:
            self.wrong(f"{new.id}: a claim by {who} under fence {new.fence}, which was used before")
        if new.attempt != before + 1:
            self.wrong(f"{new.id}: the claim by {who} counts attempt {new.attempt} after {before}")
        if length > self._lease_seconds + LONGEST_POLL_SECONDS:
            self.wrong(f"{new.id}: {who} took a lease that ends in {length:.3f} s")
        if old.paused:
            self.wrong(f"{new.id}: paused, and claimed by {who}")
        self._driver_admits(who, new)
        self._alone_with_its_key(new, now)
        self.claims[new.id, new.fence] = Claim(new, who, self.late)
        self.held[new.lease.by].append((new.id, new.fence))

    def _alone_with_its_key(self, new: Job, now: datetime) -> None:
        key = new.concurrency_key
        if key is None:
            return
        self.seen["claims with a key"] += 1
        mates = self._mates[key]
        for other in mates.values():
            claim = self.claims.get((other.id, other.fence))
            # Under a lease that came after its claimer had given it up, nothing runs.
            idle = claim is None or claim.late
            if other.id != new.id and other.holds_live_lease(now) and not idle:
                self.wrong(f"{new.id}: claimed while {other.id} has the key '{key}'")

    def _driver_admits(self, who: str, new: Job) -> None:
        revision = who.partition(".")[0]
        since = self._world.now - int(LONGEST_WAY_SECONDS * MICRO)
        current = [record for at, record in self.drivers if at > since]
        before = [record for at, record in self.drivers if at <= since][-1:]
        if who in self.loops and self.loops[who].frozen_until >= since:
            # It may have asked before it stood still.
            return
        if not any(r.revision == revision and ADMITS[r.driver] for r in (*before, *current)):
            self.wrong(f"{new.id}: claimed by {who}, whose revision does not drive")

    def _slots(self, who: str, old: Job, new: Job) -> None:
        if new.schedule != old.schedule or new.state is JobState.CANCELLED:
            return
        if new.slot < old.slot:
            self.wrong(f"{new.id}: {who} went back from slot {old.slot} to {new.slot}")
            return
        counted = sum(new.counts.get(end, 0) - old.counts.get(end, 0) for end in ENDS)
        passed = _passed(old, new)
        if counted != passed:
            self.wrong(f"{new.id}: {passed} slots passed and {counted} were accounted for by {who}")
        for end in ENDS:
            self.seen[end] += max(0, new.counts.get(end, 0) - old.counts.get(end, 0))

    def _results(self, who: str, old: Job, new: Job) -> None:
        for kind in RESULTS:
            if new.counts.get(kind, 0) <= old.counts.get(kind, 0):
                continue
            self.seen[kind] += 0 if kind in ENDS else 1
            run = new.recent[-1]
            stale = (run.fence, run.slot, run.attempt) != (old.fence, old.slot, old.attempt)
            if stale or _holder(old) != who:
                self.wrong(f"{new.id}: a stale {kind} of fence {run.fence} went on record by {who}")
            self.recorded[new.id, run.fence] = kind
            execution = self.executions.get((new.id, run.fence))
            number = None if run.result is None else run.result.get("run")
            if execution is None or (kind == "succeeded" and number != execution.number):
                self.wrong(
                    f"{new.id}: {kind} under fence {run.fence}, but that run was {execution}"
                )

    # What the instances say and do.

    def started(self, who: str, fields: Mapping[str, Any], now: datetime, freezes: int) -> None:
        """An instance says that it starts the handler of a job."""
        key = (str(fields["job_id"]), int(fields["fence"]))
        slot: datetime = fields["slot"]
        claim = self.claims.get(key)
        if claim is None or claim.who != who or claim.job.slot != slot:
            self.wrong(f"{key[0]}: {who} starts it under fence {key[1]}, which it does not hold")
        elif claim.job.lease is not None and claim.job.lease.until <= now:
            self.wrong(f"{key[0]}: {who} starts it under fence {key[1]}, whose lease has ended")
        if key in self.executions:
            self.wrong(f"{key[0]}: a second start under fence {key[1]} by {who}")
        self._started[key[0], slot] += 1
        if claim is not None:
            most = claim.job.max_attempts + self._refunds[key[0], slot]
            if self._started[key[0], slot] > most:
                self.wrong(f"{key[0]}: start {self._started[key[0], slot]} of {most} at {slot}")
        self.seen["executions"] += 1
        self.executions[key] = Execution(len(self.executions) + 1, who, slot, freezes)

    def began(self, who: str, context: HandlerContext, now: datetime, freezes: int) -> int:
        """The handler runs. The number of this execution."""
        key = (context.job_id, context.fence)
        execution, claim = self.executions.get(key), self.claims.get(key)
        if execution is None or execution.begun or execution.who != who:
            self.wrong(f"{key[0]}: a handler runs in {who} under fence {key[1]} unannounced")
            return 0
        execution.begun = True
        lease = None if claim is None else claim.job.lease
        # Nobody can help being stopped between the check and the handler's first step.
        if lease is not None and lease.until <= now and freezes == execution.freezes:
            self.wrong(f"{key[0]}: its handler begins in {who} after its lease")
        return execution.number

    def asked_once(self, context: HandlerContext) -> None:
        """A handler asks whether it may begin its effect."""
        self._once[context.idempotency_key].asked.append(context.fence)

    def answered_once(self, context: HandlerContext, granted: bool) -> None:
        """It was told yes or no."""
        once = self._once[context.idempotency_key]
        self.seen["once granted" if granted else "once refused"] += 1
        if granted:
            if once.granted:
                self.wrong(f"{context.idempotency_key}: once() said yes to {once.granted} before")
            once.granted.append(context.fence)
        elif not any(fence < context.fence for fence in once.asked):
            self.wrong(f"{context.idempotency_key}: once() said no, though no attempt asked before")

    def said(self, who: str, message: str, fields: Mapping[str, Any]) -> None:
        """An instance wrote a log line that claims something about the store."""
        key = (str(fields.get("job_id")), int(fields.get("fence") or 0))
        if message == logs.STALE_COMPLETION:
            self.seen["stale"] += 1
            if key in self.recorded:
                self.wrong(f"{key[0]}: {who} calls fence {key[1]} stale, but its end is on record")
        elif message == logs.JOB_SUCCEEDED and self.recorded.get(key) != "succeeded":
            self.wrong(f"{key[0]}: {who} calls fence {key[1]} succeeded; the store does not")
        elif message == logs.STORAGE_FAILED:
            self.seen["storage trouble told"] += 1

    # At the end.

    def overdue(self, job: Job, now: datetime, patience: float) -> None:
        """Nothing fails any more and time enough has passed: `job` must not be behind."""
        if job.lease is not None and now - job.lease.until > timedelta(seconds=patience):
            self.wrong(f"{job.id}: its lease ended {now - job.lease.until} ago")
        elif not job.paused and not job.finished and job.slot < now - timedelta(seconds=patience):
            self.wrong(f"{job.id}: slot {job.slot} is {now - job.slot} behind, {job.state.value}")


def _passed(old: Job, new: Job) -> int:
    if old.schedule.at is not None:
        return int(_finished(new) and not _finished(old))
    return slots_between(old.schedule, old.slot, new.slot)


def slots_between(schedule: Schedule, first: datetime, end: datetime) -> int:
    """How many slots lie from `first` up to before `end`, counted one by one."""
    count, slot = 0, first
    while slot < end:
        following = schedule.following(slot)
        assert following is not None
        count, slot = count + 1, following
    return count


def _finished(job: Job) -> bool:
    return job.finished and _final(job)


def _final(job: Job) -> bool:
    return job.state in (
        JobState.SUCCEEDED,
        JobState.SKIPPED,
        JobState.DEAD,
        JobState.CANCELLED,
    )


def _holder(job: Job) -> str:
    return "" if job.lease is None else job.lease.by.rpartition("/")[0]


def _shown(job: Job) -> str:
    due = "-" if job.due_at is None else f"{job.due_at:%H:%M:%S.%f}"
    runs = " ".join(f"{outcome}={count}" for outcome, count in sorted(job.counts.items()))
    held = f" by {_holder(job)}" if job.lease is not None else ""
    flag = " paused" if job.paused else ""
    return (
        f"{job.id} {job.state.value}{flag}{held} slot {job.slot:%H:%M:%S} due {due} "
        f"fence {job.fence} attempt {job.attempt} {runs}".rstrip()
    )

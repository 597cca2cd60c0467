"""What log entries tell, each as a small record. `at` is the entry's timestamp, aware, in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

LOOP, CRON = "loop", "cron"  # the legacy loop, and Cloud Scheduler's ticks


class Numbers(NamedTuple):
    """What a completed tick counted. `transient` and `lasting` are errors of the storage.

    `reads` and `writes` are documents as `documents.documents_of` counts them, None where the
    line does not tell; `billed` says whether Firestore's bill was counted.
    """

    due: int
    executed: int
    succeeded: int
    failed: int
    dead: int
    stale: int
    lost_race: int
    lag_seconds: float
    storage_ops: int
    transient: int
    lasting: int
    reads: int | None = None
    writes: int | None = None
    billed: bool = False


class Tick(NamedTuple):
    """A tick line of the service. `kind`: running, completed, failed, not_executed."""

    at: datetime
    instance: str
    sequence: int
    kind: str
    path: str
    tick_id: str
    revision: str
    duration_ms: float
    driver: str = ""  # who drove, as the tick knew it: shadow, legacy, cloud, nobody
    numbers: Numbers | None = None
    executed: bool = True


class Run(NamedTuple):
    """A line about one run of a job: executing, succeeded, failed, dead, released, stale."""

    at: datetime
    instance: str
    kind: str
    job_id: str
    slot: datetime
    fence: int
    attempt: int


class Decision(NamedTuple):
    """One step at a slot, as `Scheduler decision` tells it; `tick.shadow` says which there are.

    `first_slot` is None unless slots were folded into this one; `through` ends a run of them.
    """

    at: datetime
    instance: str
    sequence: int
    decision: str
    path: str
    owner: str
    job_id: str
    slot: datetime
    lateness_seconds: float
    fence: int
    first_slot: datetime | None = None
    through: datetime | None = None
    rescued: bool = False
    outcome: str = ""
    duration_ms: float = 0.0


class Effect(NamedTuple):
    """A side effect that a job left in the log under its idempotency key."""

    at: datetime
    instance: str
    job_id: str
    slot: datetime
    key: str


class Request(NamedTuple):
    """A line of the platform's request log; `at` is the request's start."""

    at: datetime
    path: str
    method: str
    status: int
    latency_seconds: float
    by_scheduler: bool


class Attempt(NamedTuple):
    """A line of Cloud Scheduler's execution log: `scheduled` at its start, `status` at its end.

    Its timestamp is when the entry arrived, so it orders nothing.
    """

    at: datetime
    scheduled: datetime | None
    status: int


class Stopped(NamedTuple):
    """An instance's last word: how many numbered lines it wrote."""

    at: datetime
    instance: str
    last_sequence: int


Record = Tick | Run | Decision | Effect | Request | Attempt | Stopped

"""Jobs: what is to be done, the slot in hand, who holds it, and how the last runs ended."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from emonk_ops.tick.errors import InvalidJob
from emonk_ops.tick.instants import from_text, maybe_from_text, maybe_text, to_text
from emonk_ops.tick.schedules import Schedule

RECENT_RUNS = 20
LONGEST_ID = 200
MAX_CATCHUP = 100
MISFIRE_POLICIES = ("run_once", "run_all", "skip")


class JobState(StrEnum):
    """Where a job is; the last four are final."""

    SCHEDULED = "scheduled"
    LEASED = "leased"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    DEAD = "dead"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one slot until `until`; `by` is for people, `id` decides."""

    id: str
    by: str
    until: datetime

    @staticmethod
    def fresh_id() -> str:
        """A random id that no other claim has."""
        return secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class Run:
    """How one slot, or one attempt at it, ended.

    `outcome` is succeeded, failed, dead, released, skipped or coalesced. For the last two `slot`
    is the first and `through` the last of `count` slots.
    """

    slot: datetime
    outcome: str
    at: datetime
    fence: int = 0
    attempt: int = 0
    reason: str = ""
    result: Mapping[str, Any] | None = None
    count: int = 1
    through: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; empty fields are left out."""
        data: dict[str, Any] = {
            "slot": to_text(self.slot),
            "outcome": self.outcome,
            "at": to_text(self.at),
            "fence": self.fence,
            "attempt": self.attempt,
        }
        if self.reason:
            data["reason"] = self.reason
        if self.result is not None:
            data["result"] = dict(self.result)
        if self.count != 1:
            data["count"] = self.count
        if self.through is not None:
            data["through"] = to_text(self.through)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Run:
        """Read the JSON form."""
        return cls(
            slot=from_text(data["slot"], "slot"),
            outcome=str(data["outcome"]),
            at=from_text(data["at"], "at"),
            fence=int(data.get("fence", 0)),
            attempt=int(data.get("attempt", 0)),
            reason=str(data.get("reason", "")),
            result=data.get("result"),
            count=int(data.get("count", 1)),
            through=maybe_from_text(data.get("through"), "through"),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """One stored job. Times are aware UTC; `timeout_seconds` None means the service's own.

    `due_at` is the next instant at which anybody may touch the job: its slot, a retry, or the end
    of its lease; None when nothing is left to do or it is paused. `max_catchup` is how many missed
    slots run_all runs; jobs of one `concurrency_key` never run at the same time.
    """

    id: str
    type: str
    schedule: Schedule
    payload: Mapping[str, Any]
    state: JobState
    slot: datetime
    due_at: datetime | None
    created_at: datetime
    fence: int = 0
    attempt: int = 0
    lease: Lease | None = None
    paused: bool = False
    declared: bool = False
    max_attempts: int = 3
    backoff_seconds: float = 30.0
    timeout_seconds: float | None = None
    misfire: str = "run_once"
    grace_seconds: float = 60.0
    max_catchup: int = MAX_CATCHUP
    concurrency_key: str | None = None
    effects: Mapping[str, int] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    recent: tuple[Run, ...] = ()

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at one slot."""
        return f"{self.id}:{to_text(self.slot)}"

    @property
    def finished(self) -> bool:
        """Whether no slot will ever run again."""
        return self.due_at is None and self.lease is None and not self.paused

    def holds_live_lease(self, now: datetime) -> bool:
        """Whether somebody may be running it at `now`."""
        return self.lease is not None and self.lease.until > now

    def with_run(self, run: Run) -> Job:
        """The job with `run` on its record."""
        counts = {**self.counts, run.outcome: self.counts.get(run.outcome, 0) + run.count}
        return replace(self, counts=counts, recent=(*self.recent, run)[-RECENT_RUNS:])

    def to_dict(self) -> dict[str, Any]:
        """The JSON form; `schedule_at` repeats `slot` under the name people look for."""
        lease = self.lease
        return {
            "id": self.id,
            "type": self.type,
            "schedule": self.schedule.to_dict(),
            "payload": dict(self.payload),
            "state": self.state.value,
            "slot": to_text(self.slot),
            "schedule_at": to_text(self.slot),
            "due_at": maybe_text(self.due_at),
            "created_at": to_text(self.created_at),
            "fence": self.fence,
            "attempt": self.attempt,
            "lease_id": None if lease is None else lease.id,
            "lease_by": None if lease is None else lease.by,
            "lease_until": None if lease is None else to_text(lease.until),
            "paused": self.paused,
            "declared": self.declared,
            "max_attempts": self.max_attempts,
            "backoff_seconds": self.backoff_seconds,
            "timeout_seconds": self.timeout_seconds,
            "misfire": self.misfire,
            "grace_seconds": self.grace_seconds,
            "max_catchup": self.max_catchup,
            "concurrency_key": self.concurrency_key,
            "effects": dict(self.effects),
            "counts": dict(self.counts),
            "recent": [run.to_dict() for run in self.recent],
        }

    @classmethod
    def from_dict(cls, data: Any) -> Job:
        """Read the JSON form. Raises InvalidJob naming the job and what is wrong."""
        try:
            return _read(data)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            name = data.get("id", "without id") if isinstance(data, Mapping) else "of no shape"
            said = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
            raise InvalidJob(f"job {name}: {said}.", hint="Export the jobs anew.") from error


def _read(data: Mapping[str, Any]) -> Job:
    lease_until = maybe_from_text(data.get("lease_until"), "lease_until")
    return Job(
        id=str(data["id"]),
        type=str(data["type"]),
        schedule=Schedule.from_dict(data["schedule"]),
        payload=dict(data["payload"]),
        state=JobState(data["state"]),
        slot=from_text(data["slot"], "slot"),
        due_at=maybe_from_text(data["due_at"], "due_at"),
        created_at=from_text(data["created_at"], "created_at"),
        fence=int(data["fence"]),
        attempt=int(data["attempt"]),
        lease=None
        if lease_until is None
        else Lease(str(data["lease_id"]), str(data["lease_by"]), lease_until),
        paused=bool(data["paused"]),
        declared=bool(data["declared"]),
        max_attempts=int(data["max_attempts"]),
        backoff_seconds=float(data["backoff_seconds"]),
        timeout_seconds=None if data["timeout_seconds"] is None else float(data["timeout_seconds"]),
        misfire=str(data["misfire"]),
        grace_seconds=float(data["grace_seconds"]),
        max_catchup=int(data.get("max_catchup", MAX_CATCHUP)),
        concurrency_key=_maybe_key(data.get("concurrency_key")),
        effects=dict(data["effects"]),
        counts=dict(data["counts"]),
        recent=tuple(Run.from_dict(run) for run in data["recent"]),
    )


def _maybe_key(value: object) -> str | None:
    return None if value is None else str(value)


def canonical(value: object) -> str:
    """JSON with sorted keys and no blanks: the same value always gives the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def checksum(jobs: Iterable[Mapping[str, Any]]) -> str:
    """`sha256:` and the hex digest of the jobs' JSON forms, sorted by id."""
    ordered = sorted(jobs, key=lambda job: str(job["id"]))
    return "sha256:" + hashlib.sha256(canonical(ordered).encode()).hexdigest()

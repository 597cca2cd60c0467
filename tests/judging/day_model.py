"""A service after the cutover as its log tells of it: so many hours, with a defect planted."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.operations.analysis.reading import REQUESTS
from emonk_ops.ports import LogEntry
from emonk_ops.tick import logs
from emonk_ops.tick.ticks import TickReport

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
OWN = {"type": "cloud_run_revision", "service_name": "emonk-agent", "revision_name": "r"}
DISPATCH_SECONDS = 5.0
FIRESTORE_DOWN = {"PERMISSION_DENIED": {"count": 3, "transient": False}}
FIRESTORE_SLOW = {"UNAVAILABLE": {"count": 3, "transient": True}}


@dataclass
class Day:
    """Ticks every `minutes`, a job at each of them. `defect` is planted at the ticks `at`.

    The first tick is number `first` behind `begin`; `instance` has written no line before it.
    """

    minutes: int = 1
    hours: float = 24.0
    defect: str = ""
    at: range = range(60, 63)
    seed: int = 1
    begin: datetime = BEGIN
    first: int = 0
    instance: str = "i"
    lines: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    @property
    def end(self) -> datetime:
        return self.begin + timedelta(hours=self.hours)

    def entries(self) -> list[LogEntry]:
        count = int(self.hours * 60 / self.minutes)
        found = [one for number in range(self.first, count + 1) for one in self._tick(number)]
        return sorted(found, key=lambda one: one.timestamp)

    def _tick(self, number: int) -> Iterator[LogEntry]:
        planted = self.defect if number in self.at else ""
        slot = self.begin + timedelta(minutes=self.minutes * number)
        at = slot + timedelta(seconds=DISPATCH_SECONDS + self.rng.uniform(0, 1))
        took = 3.5 if planted == "slow ticks" else 0.12
        report = self._report(number, planted, took)
        if planted == "scheduler paused":
            return
        status = 500 if planted == "ticks fail" else 200
        yield self._request(number, at, status, took)
        yield self._own(at, logs.TICK_RUNNING, tick_id=f"t{number}", path="cron")
        yield from self._run(number, slot, at, planted)
        message = logs.TICK_FAILED if planted == "ticks fail" else logs.TICK_COMPLETED
        done = self._own(at + timedelta(seconds=took), message, **report.to_dict())
        if planted == "lost lines":
            return
        yield done
        if planted == "legacy loop":
            again = TickReport(tick_id=f"l{number}", path="loop", driver="legacy")
            yield self._own(slot, logs.TICK_COMPLETED, **again.to_dict())

    def _report(self, number: int, planted: str, took: float) -> TickReport:
        failed = int(planted == "jobs fail")
        errors: dict[str, Any] = {
            "firestore errors": FIRESTORE_DOWN,
            "transient errors": FIRESTORE_SLOW,
        }.get(planted, {})
        return TickReport(
            jobs_checked=1,
            jobs_due=1,
            jobs_executed=1,
            jobs_succeeded=1 - failed,
            jobs_failed=failed,
            lag_seconds=DISPATCH_SECONDS,
            duration_ms=took * 1000,
            storage_ops=3,
            billed_reads=2,
            billed_writes=500 if planted == "dear ticks" else 2,
            storage_errors=errors,
            executed=planted != "not the driver",
            poll_failed=planted == "ticks fail",
            tick_id=f"t{number}",
            path="cron",
            driver="cloud",
        )

    def _run(self, number: int, slot: datetime, at: datetime, planted: str) -> Iterator[LogEntry]:
        job = {"job_id": "digest", "slot": slot.isoformat(), "attempt": 1}
        fences = (number + 1, number + 2) if planted in ("duplicate", "overlap") else (number + 1,)
        late = 60.0 * self.minutes + 40 if planted == "late job" else 0.1
        ended = logs.JOB_FAILED if planted == "jobs fail" else logs.JOB_SUCCEEDED
        for turn, fence in enumerate(fences):
            begun = at + timedelta(seconds=0.01 + 0.2 * turn)
            # In an overlap the second begins while the first still runs.
            over = begun + timedelta(seconds=late + (20 if planted == "overlap" else 0))
            executing = logs.EXECUTING_JOB.format(id="digest")
            yield self._line(begun, executing, path="cron", fence=fence, **job)
            stale = planted == "overlap" and turn == 0
            yield self._line(over, logs.STALE_COMPLETION if stale else ended, fence=fence, **job)

    def _own(self, at: datetime, message: str, **said: Any) -> LogEntry:
        self.lines += 1
        return self._line(at, message, sequence=self.lines, **said)

    def _line(self, at: datetime, message: str, **said: Any) -> LogEntry:
        severity = "ERROR" if message in (logs.TICK_FAILED, logs.JOB_FAILED) else "INFO"
        payload = {"message": message, "instance": self.instance, "revision": "r", **said}
        name = f"{message}{at.isoformat()}{said.get('fence', '')}"
        return LogEntry(
            at, name, "run.googleapis.com/stdout", severity, message, payload, {}, {}, OWN
        )

    def _request(self, number: int, at: datetime, status: int, took: float) -> LogEntry:
        http = {
            "requestUrl": "https://agent.test/cron/tick",
            "requestMethod": "POST",
            "status": status,
            "latency_seconds": took + 0.05,
            "userAgent": "Google-Cloud-Scheduler",
        }
        return LogEntry(at, f"q{number}", REQUESTS, "INFO", "", {}, http, {}, OWN)

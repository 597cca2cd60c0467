"""From one log entry to its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from emonk_ops.operations.analysis.documents import documents_of
from emonk_ops.operations.analysis.records import (
    Attempt,
    Decision,
    Effect,
    Numbers,
    Record,
    Request,
    Run,
    Stopped,
    Tick,
)
from emonk_ops.ports import LogEntry

LOG_LAG = timedelta(seconds=20)  # what is younger may not be written down yet
SCHEDULER_AGENT = "Google-Cloud-Scheduler"
REQUESTS = "run.googleapis.com/requests"
EXECUTIONS = "cloudscheduler.googleapis.com/executions"
DECISION = "Scheduler decision"
EFFECT = "Canary effect"
STOPPED = "Service stopped"
TICKS = {
    "Running scheduler tick": "running",
    "Scheduler tick completed": "completed",
    "Scheduler tick failed": "failed",
    "Scheduler tick not executed": "not_executed",
}
EXECUTING = "Executing job "
RUNS = {
    "Job succeeded": "succeeded",
    "Job failed": "failed",
    "Job dead": "dead",
    "Job released": "released",
    "Stale completion dropped": "stale",
}
COUNTED = ("completed", "not_executed", "failed")
# An error of the storage that goes away by itself, by its gRPC code.
TRANSIENT = frozenset(("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED"))
SERVICE_LINES = (*TICKS, DECISION, EFFECT, STOPPED)


def record_of(entry: LogEntry) -> Record | None:
    """The record, or None for an entry that tells nothing here.

    Raises ValueError, TypeError or KeyError for a line of ours that lacks a field it must have.
    """
    if entry.log == REQUESTS:
        return _request(entry)
    if entry.log == EXECUTIONS:
        return _attempt(entry)
    read = READERS.get(entry.message)
    if read is None and entry.message.startswith(EXECUTING):
        read = READ_EXECUTING
    return None if read is None else read(entry.timestamp, entry.payload)


def instant(text: object) -> datetime:
    """An aware instant in UTC. Raises ValueError for one without a zone."""
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return found if found.tzinfo is UTC else found.astimezone(UTC)


def _request(entry: LogEntry) -> Request | None:
    http = entry.http
    if not http:
        return None
    return Request(
        at=entry.timestamp,
        path=urlsplit(str(http.get("requestUrl", ""))).path,
        method=str(http.get("requestMethod", "")),
        status=int(http.get("status", 0) or 0),
        latency_seconds=float(http.get("latency_seconds", 0.0)),
        by_scheduler=SCHEDULER_AGENT in str(http.get("userAgent", "")),
    )


def _attempt(entry: LogEntry) -> Attempt | None:
    kind = str(entry.payload.get("@type", ""))
    if kind.endswith("AttemptStarted"):
        return Attempt(entry.timestamp, instant(entry.payload["scheduledTime"]), 0)
    if kind.endswith("AttemptFinished"):
        return Attempt(entry.timestamp, None, int(entry.http.get("status", 0) or 0))
    return None


def _tick(kind: str) -> Callable[[datetime, Mapping[str, Any]], Tick]:
    def read(at: datetime, said: Mapping[str, Any]) -> Tick:
        return Tick(
            at=at,
            instance=str(said.get("instance", "")),
            sequence=int(said.get("sequence", 0)),
            kind=kind,
            path=str(said.get("path", "")),
            tick_id=str(said.get("tick_id", "")),
            revision=str(said.get("revision", "")),
            duration_ms=float(said.get("duration_ms", 0.0)),
            driver=str(said.get("driver") or ""),
            numbers=_numbers(said) if kind in COUNTED and "jobs_due" in said else None,
            executed=bool(said.get("executed", True)),
        )

    return read


def _numbers(said: Mapping[str, Any]) -> Numbers:
    get = said.get
    errors: Mapping[str, Mapping[str, Any]] = get("storage_errors") or {}
    counts = {code: int(told.get("count", 0)) for code, told in errors.items()}
    transient = sum(count for code, count in counts.items() if code in TRANSIENT)
    touched = documents_of(said)
    return Numbers(
        due=int(get("jobs_due", 0)),
        executed=int(get("jobs_executed", 0)),
        succeeded=int(get("jobs_succeeded", 0)),
        failed=int(get("jobs_failed", 0)),
        dead=int(get("dead", 0)),
        stale=int(get("stale_completion", 0)),
        lost_race=int(get("lost_race", 0)),
        lag_seconds=float(get("lag_seconds") or 0.0),
        storage_ops=int(get("storage_ops", 0)),
        transient=transient,
        lasting=sum(counts.values()) - transient,
        reads=None if touched is None else touched.reads,
        writes=None if touched is None else touched.writes,
        billed=touched is not None and touched.billed,
    )


def _run(kind: str) -> Callable[[datetime, Mapping[str, Any]], Run]:
    def read(at: datetime, said: Mapping[str, Any]) -> Run:
        return Run(
            at=at,
            instance=str(said.get("instance", "")),
            kind=kind,
            job_id=str(said["job_id"]),
            slot=instant(said["slot"]),
            fence=int(said.get("fence", 0)),
            attempt=int(said.get("attempt", 0)),
        )

    return read


def _decision(at: datetime, said: Mapping[str, Any]) -> Decision:
    get = said.get
    slot = instant(said["slot"])
    lateness = get("lateness_seconds")
    folded = get("coalesced") or get("skipped")
    through = get("through")
    return Decision(
        at,
        str(get("instance", "")),
        int(get("sequence", 0)),
        str(said["decision"]),
        str(said["path"]),
        str(get("owner", "")),
        str(said["job_id"]),
        slot,
        (at - slot).total_seconds() if lateness is None else float(lateness),
        int(get("fence", 0)),
        instant(said["first_slot"]) if folded else None,
        None if through is None else instant(through),
        bool(get("rescued", False)),
        str(get("outcome", "")),
        float(get("duration_ms", 0.0)),
    )


def _effect(at: datetime, said: Mapping[str, Any]) -> Effect:
    return Effect(
        at,
        str(said.get("instance", "")),
        str(said["job_id"]),
        instant(said["slot"]),
        str(said["idempotency_key"]),
    )


def _stopped(at: datetime, said: Mapping[str, Any]) -> Stopped:
    return Stopped(at, str(said.get("instance", "")), int(said["last_sequence"]))


READERS: Mapping[str, Callable[[datetime, Mapping[str, Any]], Record]] = {
    DECISION: _decision,
    EFFECT: _effect,
    STOPPED: _stopped,
    **{message: _tick(kind) for message, kind in TICKS.items()},
    **{message: _run(kind) for message, kind in RUNS.items()},
}
READ_EXECUTING = _run("executing")

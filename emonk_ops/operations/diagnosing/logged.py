"""What the log tells of a while: ticks, requests, runs, effects, complaints; read in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.operations.analysis.reading import REQUESTS, SCHEDULER_AGENT, TICKS
from emonk_ops.operations.analysis.records import CRON, LOOP, Run
from emonk_ops.operations.analysis.stream import Pass, records
from emonk_ops.ports import LogEntry
from emonk_ops.tick.ticks import TickReport

CANARY_EFFECT = "Canary effect"
REFUSED = "Tick refused"
UNKNOWN_TYPE = "Job type unknown"
STORAGE_ERROR = "Scheduler storage error"
FAILED, DEAD = "Job failed", "Job dead"
ENDED = ("completed", "failed")  # a tick that tells its numbers
MOST_KEPT = 50  # of each kind of complaint, the newest
MOST_SLOTS = 50_000


@dataclass(frozen=True)
class SeenTick:
    """A tick that ended, as it tells of itself; one that met its store's no has poll_failed."""

    at: datetime
    instance: str
    revision: str
    report: TickReport

    @property
    def seconds(self) -> float:
        return self.report.duration_ms / 1000


@dataclass(frozen=True)
class SeenRequest:
    """A request for a tick by Cloud Scheduler; `said` is the platform's word on it."""

    at: datetime
    status: int
    seconds: float
    revision: str
    said: str = ""


@dataclass(frozen=True)
class Complaint:
    """A line of the service that something is wrong."""

    at: datetime
    job_id: str
    job_type: str
    code: str
    text: str


@dataclass
class SlotRuns:
    """The runs of one slot of one job: when each fence began, and how and when it ended."""

    began: list[tuple[datetime, int]] = field(default_factory=list)
    ended: dict[int, tuple[datetime, str]] = field(default_factory=dict)


@dataclass
class Logged:
    """Filled by `read`. Each list is in the order of time."""

    entries: int = 0
    first: datetime | None = None
    last: datetime | None = None
    ticks: list[SeenTick] = field(default_factory=list)
    idle: list[tuple[datetime, str, str]] = field(default_factory=list)  # at, path, revision
    requests: list[SeenRequest] = field(default_factory=list)
    refusals: list[Complaint] = field(default_factory=list)
    unknown_types: list[Complaint] = field(default_factory=list)
    storage: list[Complaint] = field(default_factory=list)
    failures: list[Complaint] = field(default_factory=list)
    slots: dict[tuple[str, datetime], SlotRuns] = field(default_factory=dict)
    effects: dict[tuple[str, str], list[datetime]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)  # job id -> its type
    heard: dict[str, datetime] = field(default_factory=dict)  # instance -> its last line
    errors: Counter[str] = field(default_factory=Counter)
    lost_lines: int = 0

    @property
    def on_cron(self) -> list[SeenTick]:
        return [one for one in self.ticks if one.report.path in ("", CRON)]

    @property
    def on_loop(self) -> list[SeenTick]:
        return [one for one in self.ticks if one.report.path == LOOP]

    def seconds_by_type(self) -> dict[str, list[float]]:
        """How long the runs of each type took."""
        found: dict[str, list[float]] = {}
        for (job_id, _slot), runs in self.slots.items():
            for began, fence in runs.began:
                if fence in runs.ended:
                    took = (runs.ended[fence][0] - began).total_seconds()
                    found.setdefault(self.types.get(job_id, job_id), []).append(took)
        return found


def read(entries: Iterable[LogEntry], tick_path: str) -> Logged:
    """The entries of the service, oldest first. Memory grows with ticks and slots of the while."""
    found, seen = Logged(), Pass()
    for record in records(_noted(entries, found, tick_path), seen):
        if isinstance(record, Run):
            _run(record, found)
    found.lost_lines = (
        sum(lines for _begin, _end, lines in seen.coverage.gaps(found.first)) if found.first else 0
    )
    return found


def _noted(entries: Iterable[LogEntry], found: Logged, tick_path: str) -> Iterator[LogEntry]:
    for entry in entries:
        found.entries += 1
        found.first = found.first or entry.timestamp
        found.last = entry.timestamp
        if entry.log == REQUESTS:
            _request(entry, found, tick_path)
        else:
            _line(entry, found)
        yield entry


def _request(entry: LogEntry, found: Logged, tick_path: str) -> None:
    http = entry.http
    by_scheduler = SCHEDULER_AGENT in str(http.get("userAgent", ""))
    if by_scheduler and str(http.get("requestUrl", "")).endswith(tick_path):
        found.requests.append(
            SeenRequest(
                entry.timestamp,
                int(http.get("status", 0) or 0),
                float(http.get("latency_seconds", 0.0)),
                entry.resource.get("revision_name", ""),
                entry.message,
            )
        )


def _line(entry: LogEntry, found: Logged) -> None:
    said, message = entry.payload, entry.message
    if instance := str(said.get("instance", "")):
        found.heard[instance] = entry.timestamp
    if job_type := said.get("job_type"):
        found.types[str(said.get("job_id"))] = str(job_type)
    if entry.severity in ("ERROR", "CRITICAL"):
        found.errors[message] += 1
    kind = TICKS.get(message)
    if kind in ENDED:
        _tick(entry, found)
    elif kind == "not_executed":
        revision = entry.resource.get("revision_name", "")
        found.idle.append((entry.timestamp, str(said.get("path", "")), revision))
    elif _is_effect(message, said):
        key = (str(said["idempotency_key"]), str(said.get("effect") or message))
        found.effects.setdefault(key, []).append(entry.timestamp)
    elif (kept := _kind(message, found)) is not None:
        kept.append(_complaint(entry))
        del kept[:-MOST_KEPT]


def _is_effect(message: str, said: Mapping[str, Any]) -> bool:
    """A line by which a handler says that it did something outside: with `effect`, or the canary's.

    Other lines of a handler tell nothing of effects; a second attempt may well write them again.
    """
    return "idempotency_key" in said and (message == CANARY_EFFECT or bool(said.get("effect")))


def _kind(message: str, found: Logged) -> list[Complaint] | None:
    kinds = {
        REFUSED: found.refusals,
        UNKNOWN_TYPE: found.unknown_types,
        STORAGE_ERROR: found.storage,
        FAILED: found.failures,
        DEAD: found.failures,
    }
    return kinds.get(message)


def _complaint(entry: LogEntry) -> Complaint:
    said = entry.payload
    text = str(said.get("reason") or said.get("error") or said.get("what") or "")
    return Complaint(
        entry.timestamp,
        str(said.get("job_id", "")),
        str(said.get("job_type", "")),
        str(said.get("code", "")),
        text,
    )


def _tick(entry: LogEntry, found: Logged) -> None:
    try:
        report = TickReport.from_dict(entry.payload)
    except (TypeError, ValueError):
        return  # a line that is not ours to read; `records` counts it
    instance = str(entry.payload.get("instance", ""))
    revision = entry.resource.get("revision_name", "")
    found.ticks.append(SeenTick(entry.timestamp, instance, revision, report))


def _run(run: Run, found: Logged) -> None:
    key = (run.job_id, run.slot)
    slot = found.slots.setdefault(key, SlotRuns())
    if run.kind == "executing":
        slot.began.append((run.at, run.fence))
        if len(found.slots) > MOST_SLOTS:
            del found.slots[next(iter(found.slots))]
    else:
        slot.ended.setdefault(run.fence, (run.at, run.kind))

"""What happened in a chaos run, as plain facts. Times are seconds of the host's monotonic clock.

`history_of` reads them from the journal that instances and harness share, and from the services'
own logs. Nothing here judges.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emonk_ops.tick.instants import from_text
from emonk_ops.tick.jobs import Job, Run
from tests.chaos.journal import entries

FOREVER = float("inf")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Claim:
    """A write that took a lease, as its instance saw it: ok, conflict or unclear."""

    tag: str
    job_id: str
    fence: int
    lease_id: str
    until: float
    sent: float
    answered: float
    verdict: str = "ok"


@dataclass(frozen=True)
class Freed:
    """A write that left the job without a lease. `outcome` is that of its newest run.

    One whose process died before the answer is unclear, and `answered` is FOREVER.
    """

    tag: str
    job_id: str
    fence: int
    outcome: str
    slot: datetime
    sent: float
    answered: float
    verdict: str = "ok"


@dataclass(frozen=True)
class Execution:
    """A handler that began; `end` is FOREVER when nobody saw it end."""

    tag: str
    job_id: str
    slot: datetime
    key: str
    fence: int
    lease_id: str
    until: float
    begin: float
    end: float = FOREVER
    ending: str = ""
    effects: tuple[float, ...] = ()
    guarded: int = 0


@dataclass(frozen=True)
class Span:
    """Something that an instance went through: stopped, dead, unread, late.

    `tag` is that of the process, or the name of the instance where it was on its wire.
    """

    tag: str
    kind: str
    begin: float
    end: float = FOREVER
    named: bool = False

    def meets(self, begin: float, end: float) -> bool:
        return self.begin <= end and begin <= self.end

    def of(self, tag: str) -> bool:
        return self.tag in (tag, tag.partition(".")[0])


@dataclass(frozen=True)
class Recorded:
    """A run on the record of a job. `sure` unless only an unclear write speaks of it."""

    job_id: str
    run: Run
    sure: bool = True


@dataclass(frozen=True)
class Said:
    """An entry of a service's own log."""

    tag: str
    entry: Mapping[str, Any]


@dataclass(frozen=True)
class History:
    """All that the checker gets. `created` and `final` are the jobs at both ends of the run.

    `looks` are the states that were seen of each job, the last one at the end; `settled` is the
    instant of the store's clock up to which every slot has to be accounted for.
    """

    claims: tuple[Claim, ...] = ()
    freed: tuple[Freed, ...] = ()
    executions: tuple[Execution, ...] = ()
    spans: tuple[Span, ...] = ()
    recorded: tuple[Recorded, ...] = ()
    created: Mapping[str, Job] = field(default_factory=dict)
    looks: Mapping[str, tuple[Job, ...]] = field(default_factory=dict)
    settled: datetime | None = None
    said: tuple[Said, ...] = ()
    ticks: tuple[tuple[str, int], ...] = ()
    faults: Mapping[str, int] = field(default_factory=dict)

    @property
    def final(self) -> dict[str, Job]:
        return {job_id: jobs[-1] for job_id, jobs in self.looks.items() if jobs}


def history_of(folder: Path) -> History:
    """The history of the run in `folder`; of a run that still goes on, what is there so far."""
    reader = _Reader()
    found = list(entries(folder / "history.jsonl"))
    # An offset may be measured after the first lease was taken.
    for entry in found:
        if entry["kind"] == "clock":
            reader.offset = float(entry["offset"])
    for entry in found:
        reader.read(entry)
    return reader.history(said_in(folder))


def said_in(folder: Path) -> tuple[Said, ...]:
    """The entries of the services' logs; a line that is no JSON becomes the message of one."""
    found = []
    for path in sorted(folder.glob("*.log")):
        lines = path.read_bytes().splitlines(keepends=True)
        found += [Said(path.stem, _line(line)) for line in lines if line.endswith(b"\n")]
    return tuple(found)


def _line(line: bytes) -> dict[str, Any]:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return {"message": "no JSON", "stack_trace": line.decode(errors="replace")}
    return entry


class _Reader:
    def __init__(self) -> None:
        self.offset = 0.0
        self._claims: list[Claim] = []
        self._freed: list[Freed] = []
        self._unanswered: dict[tuple[Any, ...], Freed] = {}
        self._executions: dict[tuple[str, str, str], Execution] = {}
        self._spans: list[Span] = []
        self._stopped: dict[str, Span] = {}
        self._recorded: dict[tuple[Any, ...], Recorded] = {}
        self._created: dict[str, Job] = {}
        self._looks: dict[str, tuple[Job, ...]] = {}
        self._settled: datetime | None = None
        self._ticks: list[tuple[str, int]] = []
        self._faults: dict[str, int] = {}

    def history(self, said: tuple[Said, ...]) -> History:
        return History(
            tuple(self._claims),
            (*self._freed, *self._unanswered.values()),
            tuple(self._executions.values()),
            (*self._spans, *self._stopped.values()),
            tuple(self._recorded.values()),
            self._created,
            self._looks,
            self._settled,
            said,
            tuple(self._ticks),
            self._faults,
        )

    def read(self, entry: Mapping[str, Any]) -> None:
        match entry["kind"]:
            case "claim" | "freed" | "once":
                self._write(entry)
            case "sending":
                self._sending(entry)
            case "begin" | "effect" | "end":
                self._step(entry)
            case "point" | "stop" | "cont" | "died" | "unread" | "fault":
                self._event(entry)
            case "created":
                job = Job.from_dict(entry["job"])
                self._created[job.id] = job
            case "look":
                self._look(entry)
            case "settled":
                self._settled = from_text(entry["at"])
            case "tick":
                self._ticks.append((entry["of"], int(entry["status"])))

    def _sending(self, entry: Mapping[str, Any]) -> None:
        tag, job_id, fence, sent = (entry[key] for key in ("tag", "job_id", "fence", "sent"))
        self._runs(job_id, entry["runs"], sure=False)
        if entry["what"] == "freed":
            slot = from_text(entry["runs"][-1]["slot"]) if entry["runs"] else BEGINNING
            unanswered = Freed(tag, job_id, fence, "unknown", slot, sent, FOREVER, "unclear")
            self._unanswered[tag, job_id, fence, sent] = unanswered

    def _write(self, entry: Mapping[str, Any]) -> None:
        self._unanswered.pop((entry["tag"], entry["job_id"], entry["fence"], entry["sent"]), None)
        tag, job_id, fence = entry["tag"], entry["job_id"], entry["fence"]
        seen = (entry["sent"], entry["answered"], entry["verdict"])
        if entry["kind"] == "claim":
            until = self._mono(entry["lease_until"])
            self._claims.append(Claim(tag, job_id, fence, entry["lease_id"], until, *seen))
        elif entry["kind"] == "freed":
            runs = entry["runs"]
            slot = from_text(runs[-1]["slot"] if runs else entry["slot"])
            self._freed.append(Freed(tag, job_id, fence, entry["outcome"], slot, *seen))
        if entry["verdict"] != "conflict":
            self._runs(job_id, entry["runs"], sure=entry["verdict"] == "ok")

    def _step(self, entry: Mapping[str, Any]) -> None:
        place = (entry["tag"], entry["key"], entry["lease_id"])
        if entry["kind"] == "begin":
            until = entry["lease_until"]
            self._executions[place] = Execution(
                tag=entry["tag"],
                job_id=entry["job_id"],
                slot=from_text(entry["slot"]),
                key=entry["key"],
                fence=entry["fence"],
                lease_id=entry["lease_id"],
                until=FOREVER if until is None else self._mono(until),
                begin=entry["mono"],
            )
            return
        begun = self._executions[place]
        if entry["kind"] == "end":
            begun = replace(begun, end=entry["mono"], ending=entry["ending"])
        else:
            effects = (*begun.effects, entry["mono"])
            begun = replace(begun, effects=effects, guarded=begun.guarded + entry["guarded"])
        self._executions[place] = begun

    def _event(self, entry: Mapping[str, Any]) -> None:
        tag, mono = entry["tag"], entry["mono"]
        match entry["kind"]:
            case "point" if entry["action"] == "kill":
                self._spans.append(Span(tag, "dead", mono, named=True))
            case "point":
                self._stopped[tag] = Span(tag, "stopped", mono, named=True)
            case "stop":
                self._stopped.setdefault(tag, Span(tag, "stopped", mono))
            case "cont" if tag in self._stopped:
                self._spans.append(replace(self._stopped.pop(tag), end=mono))
            case "died":
                self._spans.append(Span(tag, "dead", mono))
            case "unread":
                self._spans.append(Span(tag, "unread", mono, mono))
            case "fault":
                self._faults[entry["fault"]] = self._faults.get(entry["fault"], 0) + 1
                if entry["fault"] == "late":
                    self._spans.append(Span(entry["of"], "late", mono, mono))

    def _look(self, entry: Mapping[str, Any]) -> None:
        for data in entry["jobs"]:
            job = Job.from_dict(data)
            self._looks[job.id] = (*self._looks.get(job.id, ()), job)
            self._runs(job.id, data["recent"], sure=True)

    def _runs(self, job_id: str, runs: Iterable[Mapping[str, Any]], *, sure: bool) -> None:
        for data in runs:
            run = Run.from_dict(data)
            place = (job_id, run.slot, run.outcome, run.fence, run.at)
            if sure or place not in self._recorded:
                self._recorded[place] = Recorded(job_id, run, sure)

    def _mono(self, text: str) -> float:
        return from_text(text).timestamp() - self.offset

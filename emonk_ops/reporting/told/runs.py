"""The runs of a journal, each with all that was recorded of it. Times are the journal's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.rollout.records import Record


@dataclass(frozen=True)
class CheckTold:
    """One answer to one line of a checklist."""

    run: str
    stage: int | None
    phase: str
    id: str
    sentence: str
    verdict: str
    holds: bool
    advisory: bool
    summary: str
    at: datetime
    n: int | None = None  # how many samples it was reached by, where it counts any
    word: str = ""  # a person's, where one was given
    by: str = ""
    evidence: str = ""  # the name of what it can be judged again by


@dataclass(frozen=True)
class StepTold:
    """One change that a run made, or tried to. Seconds are of a stopwatch, not of the journal."""

    id: str
    ok: bool | None  # None: it began, and nothing says how it ended
    changed: bool
    summary: str
    seconds: float | None = None
    budget_seconds: float | None = None


@dataclass
class RollbackTold:
    """A way back. `ok` is None while nothing says how it ended."""

    kind: str  # ordinary | after a failure | partial | emergency | drill
    run: str
    stage: int | None
    at: datetime
    reason: str
    steps: list[StepTold] = field(default_factory=list)
    ok: bool | None = None
    ended_at: datetime | None = None
    seconds: float | None = None
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def over_budget(self) -> list[StepTold]:
        return [
            one
            for one in self.steps
            if one.budget_seconds and one.seconds and one.seconds > one.budget_seconds
        ]


@dataclass
class RunTold:
    """One command that could change something, or one record that stands for itself."""

    id: str
    command: str
    title: str
    stage: int | None
    who: str
    reason: str
    at: datetime
    ended_at: datetime | None = None
    status: str = ""  # empty: nothing says that it ended
    exit_code: int | None = None
    summary: str = ""
    seconds: float | None = None
    checks: list[CheckTold] = field(default_factory=list)
    steps: list[StepTold] = field(default_factory=list)
    rollbacks: list[RollbackTold] = field(default_factory=list)
    forced: list[tuple[str, str]] = field(default_factory=list)  # the gate's words, the reason
    remarks: list[str] = field(default_factory=list)
    last_at: datetime | None = None

    @property
    def until(self) -> datetime:
        return self.ended_at or self.last_at or self.at


def runs_told(records: Iterable[Record]) -> list[RunTold]:
    """In the order in which they began."""
    runs: dict[str, RunTold] = {}
    for record in records:
        run = runs.get(record.run)
        if record.kind == "run.started":
            runs[record.run] = _started(record)
        elif run is not None:
            run.last_at = record.at
            if fold := FOLDS.get(record.kind):
                fold(run, record)
    return list(runs.values())


def _started(record: Record) -> RunTold:
    body = record.body
    run = RunTold(
        id=record.run,
        command=str(body["command"]),
        title=str(body.get("title", "")),
        stage=body.get("stage"),
        who=actor(record),
        reason=str(body.get("reason", "")),
        at=record.at,
    )
    if body.get("took_over"):
        run.remarks.append(f"took over a dead lock: {body['took_over']}")
    if body.get("locked_here_only"):
        run.remarks.append(f"locked on its own machine only: {body['locked_here_only']}")
    return run


def actor(record: Record) -> str:
    return str(record.who.get("actor", "somebody"))


def _ended(run: RunTold, record: Record) -> None:
    body = record.body
    run.ended_at = record.at
    run.status, run.exit_code = str(body["status"]), int(body["exit_code"])
    run.summary = str(body.get("summary", ""))
    run.seconds = body.get("seconds")
    for one in run.rollbacks:
        if one.kind == "partial" and one.ok is None:
            one.ok, one.ended_at = run.status == "done", record.at
            one.seconds, one.left = run.seconds, tuple(body.get("left", ()))


def _checked(run: RunTold, record: Record) -> None:
    body = record.body
    attested = body.get("attestation") or {}
    facts = body.get("facts") or {}
    run.checks.append(
        CheckTold(
            run=run.id,
            stage=run.stage,
            phase=str(body["phase"]),
            id=str(body["id"]),
            sentence=str(body.get("sentence", "")),
            verdict=str(body["verdict"]),
            holds=bool(body["holds"]),
            advisory=bool(body.get("advisory")),
            summary=str(body["summary"]),
            at=record.at,
            n=samples_of(facts),
            word=str(attested.get("word", "")),
            by=str(attested.get("who", "")),
        )
    )


def samples_of(facts: Mapping[str, Any]) -> int | None:
    """The `n` of a finding's facts; the least of those that its parts have."""
    own = facts.get("n")
    if isinstance(own, int):
        return own
    inner = [one.get("n") for one in facts.values() if isinstance(one, Mapping)]
    return min((one for one in inner if isinstance(one, int)), default=None)


def step_of(body: Mapping[str, Any], ok: bool | None) -> StepTold:
    return StepTold(
        id=str(body["id"]),
        ok=ok,
        changed=bool(body.get("changed")),
        summary=str(body.get("summary") or body.get("message") or body.get("title") or ""),
        seconds=body.get("seconds"),
        budget_seconds=body.get("budget_seconds"),
    )


def _step(ok: bool | None) -> Callable[[RunTold, Record], None]:
    def fold(run: RunTold, record: Record) -> None:
        _place(run.steps, step_of(record.body, ok))

    return fold


def _step_back(ok: bool | None) -> Callable[[RunTold, Record], None]:
    def fold(run: RunTold, record: Record) -> None:
        if not run.rollbacks:
            kind = "drill" if record.kind.startswith("drill") else "ordinary"
            run.rollbacks.append(RollbackTold(kind, run.id, run.stage, record.at, run.reason))
        _place(run.rollbacks[-1].steps, step_of(record.body, ok))

    return fold


def _place(steps: list[StepTold], step: StepTold) -> None:
    """An end takes the place of its beginning."""
    if step.ok is not None and steps and steps[-1].id == step.id and steps[-1].ok is None:
        steps.pop()
    steps.append(step)


def _back_began(run: RunTold, record: Record) -> None:
    body = record.body
    kind = "ordinary" if run.command == "rollback" else "after a failure"
    kind = "emergency" if body.get("emergency") else kind
    told = RollbackTold(kind, run.id, int(body["stage"]), record.at, str(body["reason"]))
    for one in body.get("began", ()):
        told.steps.append(step_of(one, bool(one.get("ok"))))
    run.rollbacks.append(told)


def _back_ended(run: RunTold, record: Record) -> None:
    if not run.rollbacks:
        return
    told, body = run.rollbacks[-1], record.body
    told.ok, told.ended_at, told.seconds = bool(body["ok"]), record.at, body.get("seconds")
    told.left = tuple(str(one) for one in body.get("left", ()))
    times = body.get("since_enter") or {}
    words = {"stopped": "the driver was stopped", "moved": "traffic had moved"}
    told.notes = tuple(
        f"{words.get(name, name)} {float(seconds):.1f} s after Enter"
        for name, seconds in sorted(times.items(), key=lambda one: one[1] or 0.0)
        if seconds is not None
    )


def _partly(run: RunTold, record: Record) -> None:
    body = record.body
    stage, reason = int(body["stage"]), str(body["reason"])
    run.rollbacks.append(RollbackTold("partial", run.id, stage, record.at, reason))


def _drilled(run: RunTold, record: Record) -> None:
    if not run.rollbacks:
        return
    told, body = run.rollbacks[-1], record.body
    told.ok, told.ended_at = bool(body["ok"]), record.at
    told.seconds = body.get("back_seconds")
    forth = float(body.get("forth_seconds") or 0.0)
    told.notes = (f"and forth again in {forth:.1f} s",) if told.ok else (str(body.get("why")),)


def _forced(run: RunTold, record: Record) -> None:
    run.forced.append((str(record.body["passed"]), str(record.body.get("reason", ""))))


FOLDS: dict[str, Callable[[RunTold, Record], None]] = {
    "run.ended": _ended,
    "check": _checked,
    "step.started": _step(None),
    "step.ended": _step(True),
    "step.failed": _step(False),
    "rollback.started": _back_began,
    "rollback.ended": _back_ended,
    "rollback.partial": _partly,
    "rollback.step.started": _step_back(None),
    "rollback.step.ended": _step_back(True),
    "rollback.step.failed": _step_back(False),
    "drill.step.started": _step_back(None),
    "drill.step.ended": _step_back(True),
    "drill.step.failed": _step_back(False),
    "drill.ended": _drilled,
    "forced": _forced,
}

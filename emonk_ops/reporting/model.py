"""An environment's rollout as a report tells it: a pure fold over its records and evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from emonk_ops.operations.evidence.saving import ACCEPTANCE
from emonk_ops.reporting.told.faults import FaultTold, faults_told
from emonk_ops.reporting.told.kept import Kept, all_kept
from emonk_ops.reporting.told.leases import FaultSeen, fault_seen
from emonk_ops.reporting.told.runs import CheckTold, RollbackTold, RunTold, actor, runs_told
from emonk_ops.reporting.told.soaks import SoakTold, soaks_told
from emonk_ops.reporting.told.subject import Subject
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.standing import Standing, stand

# A run whose journal shows so much more time than its stopwatch went through a virtual clock.
JUMP_SECONDS, JUMP_RATIO = 600.0, 5.0


@dataclass(frozen=True)
class DriverTold:
    """Who drove, as the journal last read it."""

    driver: str
    at: datetime
    run: str


@dataclass(frozen=True)
class HoldTold:
    """`until` is None while it stands."""

    since: datetime
    reason: str
    run: str
    until: datetime | None = None
    lifted_by: str = ""
    lifted_why: str = ""


@dataclass(frozen=True)
class WordTold:
    """A person's word on a check. `over`: ASK, or the error that it was given over."""

    stage: int
    check: str
    word: str
    who: str
    at: datetime
    over: str
    run: str


@dataclass(frozen=True)
class Story:
    """All that a report says of one environment."""

    subject: Subject
    standing: Standing
    runs: Sequence[RunTold]
    soaks: Sequence[SoakTold]
    faults: Sequence[tuple[FaultTold, FaultSeen]]
    kept: Sequence[Kept]
    words: Sequence[WordTold]
    holds: Sequence[HoldTold]
    driver: DriverTold | None

    @property
    def env(self) -> str:
        return self.subject.env

    @property
    def rollbacks(self) -> list[RollbackTold]:
        return [one for run in self.runs for one in run.rollbacks]

    @property
    def virtual(self) -> bool:
        """Whether a run shows that its hours were not waited for."""
        return any(_jumped(run) for run in self.runs)

    def runs_of_stage(self, stage: int) -> list[RunTold]:
        return [run for run in self.runs if run.command == "stage" and run.stage == stage]

    @property
    def stages(self) -> list[int]:
        return sorted(
            {one.stage for one in self.runs if one.command == "stage" and one.stage is not None}
        )

    def newest_checks(self, stage: int) -> list[CheckTold]:
        """The last answer to each check of the stage, in the order in which they are asked."""
        found: dict[tuple[str, str], CheckTold] = {}
        for run in self.runs_of_stage(stage):
            found |= {(one.phase, one.id): one for one in run.checks}
        return list(found.values())


def story_of(subject: Subject) -> Story:
    """Reads the evidence too; what is not there is told, not raised. Raises for nothing else."""
    records = subject.records
    kept = all_kept(subject)
    runs = runs_told(records)
    _name_evidence(runs, kept)
    return Story(
        subject=subject,
        standing=stand(records),
        runs=runs,
        soaks=soaks_told(records),
        faults=[(one, fault_seen(subject, one)) for one in faults_told(records)],
        kept=kept,
        words=[_word(one) for one in records if one.kind == "attested"],
        holds=_holds(records),
        driver=_driver(records),
    )


def _jumped(run: RunTold) -> bool:
    if run.seconds is None or run.ended_at is None:
        return False
    told = (run.ended_at - run.at).total_seconds()
    return told > JUMP_SECONDS and told > JUMP_RATIO * run.seconds


def _name_evidence(runs: Iterable[RunTold], kept: Sequence[Kept]) -> None:
    """Acceptance that was judged by a piece of evidence names it."""
    by_run: dict[str, list[Kept]] = {}
    for one in kept:
        if one.purpose == ACCEPTANCE:
            by_run.setdefault(one.run, []).append(one)
    for run in runs:
        mine = by_run.get(run.id, [])
        for place, check in enumerate(run.checks):
            names = [one.name for one in mine if check.id in one.verdicts]
            if check.phase == ACCEPTANCE and names:
                run.checks[place] = replace(check, evidence=names[-1])


def _word(record: Record) -> WordTold:
    body = record.body
    return WordTold(
        stage=int(body["stage"]),
        check=str(body["check"]),
        word=str(body["word"]),
        who=actor(record),
        at=record.at,
        over=str(body["over"]),
        run=record.run,
    )


def _holds(records: Iterable[Record]) -> list[HoldTold]:
    found: list[HoldTold] = []
    for record in records:
        going_on = bool(found) and found[-1].until is None
        if record.kind in ("hold.set", "rollback.started"):
            if going_on:
                continue
            stage = record.body.get("stage")
            what = "" if record.kind == "hold.set" else f"stage {stage} was rolled back: "
            found.append(HoldTold(record.at, f"{what}{record.body['reason']}", record.run))
        elif record.kind == "hold.lifted" and going_on:
            why = str(record.body.get("reason", ""))
            found[-1] = replace(found[-1], until=record.at, lifted_by=actor(record), lifted_why=why)
    return found


def _driver(records: Iterable[Record]) -> DriverTold | None:
    found: DriverTold | None = None
    for record in records:
        if driver := _driver_in(record.kind, record.body):
            found = DriverTold(driver, record.at, record.run)
    return found


def _driver_in(kind: str, body: Mapping[str, Any]) -> str:
    """What a record says of who drives at its time; empty where it says nothing."""
    if kind == "soak.began":
        facts = body.get("about", {})
    elif kind == "check" or kind.endswith("step.ended"):
        facts = body.get("facts") or {}
        health = facts.get("health")
        if "driver" not in facts and isinstance(health, Mapping):
            facts = health
    else:
        return ""
    said = facts.get("driver")
    if isinstance(said, Mapping):
        said = said.get("driver")
    return said if isinstance(said, str) else ""

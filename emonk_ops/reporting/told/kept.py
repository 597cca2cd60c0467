"""What the kept evidence shows, read for pictures. What is not here says why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.errors import OpsError
from emonk_ops.operations.acceptance.criteria import stretch_ticks
from emonk_ops.operations.acceptance.day import Frame, frame_of, stretches
from emonk_ops.operations.acceptance.stretch import SlotSeen
from emonk_ops.operations.analysis.records import Decision, Run
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.evidence.files import Evidence as EvidenceFile
from emonk_ops.operations.evidence.files import Part
from emonk_ops.operations.evidence.heads import frame_of_head, rules_of_head
from emonk_ops.operations.evidence.keeping import SHADOW
from emonk_ops.operations.evidence.saving import SAVED
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.slots import SlotClass, SlotFacts, class_of
from emonk_ops.reporting.told.subject import Subject
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.rejudging import load_saved

HEALTHY, UNWELL, MISSING = "healthy", "unwell", "missing"
BEGAN = "executing"


@dataclass(frozen=True)
class TickSeen:
    """An expected tick. `late_seconds` is None for one that never came."""

    at: datetime
    state: str  # healthy | unwell (it came, and did not do its work) | missing
    late_seconds: float | None


@dataclass(frozen=True)
class SlotRun:
    """Who ran a job's slot during a shadow: `path` is cron or loop, empty where nobody did."""

    job: str
    slot: datetime
    path: str
    took_over: bool
    late_seconds: float
    duration_ms: float
    wrong: str  # its class, where that is not as it should be


@dataclass
class Kept:
    """One piece of evidence. `why` says why there is nothing to show; empty where there is."""

    name: str
    run: str
    stage: int | None
    kind: str  # shadow | production
    purpose: str  # acceptance | breach
    since: datetime
    until: datetime
    verdicts: Mapping[str, Any]
    why: str = ""
    ticks: list[TickSeen] = field(default_factory=list)
    starts: list[tuple[datetime, float]] = field(default_factory=list)  # of jobs: seconds late
    runs: list[SlotRun] = field(default_factory=list)


def all_kept(subject: Subject) -> list[Kept]:
    """In the order in which they were saved."""
    return [_kept(subject, record) for record in subject.records if record.kind == SAVED]


def _kept(subject: Subject, record: Record) -> Kept:
    body = record.body
    kept = Kept(
        name=str(body["name"]),
        run=record.run,
        stage=body.get("stage"),
        kind=str(body["kind"]),
        purpose=str(body["purpose"]),
        since=datetime.fromisoformat(str(body["from"])),
        until=datetime.fromisoformat(str(body["until"])),
        verdicts=body["verdicts"],
    )
    try:
        _fill(kept, load_saved(subject.evidence, record))
    except OpsError as error:
        kept.why = error.message
    except (KeyError, ValueError, TypeError) as error:
        kept.why = f"the evidence {kept.name} is damaged: {error!r}"
    return kept


def _fill(kept: Kept, file: EvidenceFile) -> None:
    for part in file.parts():
        if file.kind == SHADOW:
            rules = rules_of_head(part.head, {})
            kept.ticks += _ticks(part.spool, _frame_of_shadow(part, rules))
            kept.runs += _slot_runs(part.spool, rules)
        else:
            frame = frame_of_head(part.head)
            kept.ticks += _ticks(part.spool, frame)
            kept.starts += _starts(part.spool, frame)


def _frame_of_shadow(part: Part, rules: Rules) -> Frame:
    slots = slots_between(rules.cadence, rules.time_zone, rules.begin, rules.end - rules.patience)
    path = str(part.head["tick_path"])
    return frame_of(rules, slots, stretch_ticks(rules.interval_seconds), path)


def _ticks(spool: Spool, frame: Frame) -> Iterator[TickSeen]:
    for stretch in stretches(spool, frame, spool.seen):
        yield from (_tick(slot) for slot in stretch.slots)


def _tick(slot: SlotSeen) -> TickSeen:
    came = slot.request or slot.tick
    if came is None:
        return TickSeen(slot.at, MISSING, None)
    late = (came.at - slot.at).total_seconds()
    return TickSeen(slot.at, HEALTHY if slot.healthy else UNWELL, late)


def _starts(spool: Spool, frame: Frame) -> Iterator[tuple[datetime, float]]:
    """How late first attempts began."""
    for record in spool:
        if not isinstance(record, Run) or record.at <= frame.since:
            continue
        if record.kind == BEGAN and record.attempt <= 1:
            yield record.at, (record.at - record.slot).total_seconds()


def _slot_runs(spool: Spool, rules: Rules) -> Iterator[SlotRun]:
    """Slots of the window that somebody ran; those that nobody ran are the judge's to name."""
    slots: dict[tuple[str, datetime], SlotFacts] = {}
    for record in spool:
        if isinstance(record, Decision) and rules.begin <= record.slot < rules.end:
            key = (record.job_id, record.slot)
            slots.setdefault(key, SlotFacts(*key)).note(record)
    ran = (facts for facts in slots.values() if facts.executions)
    for facts in sorted(ran, key=lambda one: (one.job_id, one.slot)):
        yield _slot_run(facts)


def _slot_run(facts: SlotFacts) -> SlotRun:
    won = facts.winner
    found = class_of(facts)
    unclear = (SlotClass.ONE_WINNER, SlotClass.INCOMPLETE, SlotClass.LOST)
    return SlotRun(
        job=facts.job_id,
        slot=facts.slot,
        path="" if won is None else won.path,
        took_over=any(one.decision == "takeover" for one in facts.claims),
        late_seconds=facts.lateness_seconds,
        duration_ms=0.0 if won is None else won.duration_ms,
        wrong="" if found in unclear else found.value,
    )

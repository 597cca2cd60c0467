"""What a rollout did not prove: too little evidence, a word for a measurement, a gate forced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emonk_ops.reporting.model import Story
from emonk_ops.reporting.told.runs import CheckTold
from emonk_ops.reporting.told.words import span
from emonk_ops.rollout.spool import MARK

WORD = "word only"


@dataclass(frozen=True)
class Doubt:
    """`kind` is one or two words; `source` is a run or a piece of evidence."""

    kind: str
    what: str
    why: str
    source: str


def doubts(story: Story) -> list[Doubt]:
    """The gravest kinds first."""
    return [
        *_faults(story),
        *_soaks(story),
        *_forced(story),
        *_checks(story),
        *_runs(story),
        *_evidence(story),
        *_records(story),
    ]


def _faults(story: Story) -> Iterator[Doubt]:
    for fault, _ in story.faults:
        if fault.restored is False:
            left = "; ".join(fault.left) or "nothing says that it was undone"
            yield Doubt("NOT RESTORED", fault.title, left, fault.run)
        elif fault.verdict != "PASS":
            word = fault.verdict or "no verdict"
            yield Doubt(word, f"fault {fault.title}", fault.summary, fault.run)


def _soaks(story: Story) -> Iterator[Doubt]:
    for soak in story.soaks:
        if soak.shortened and soak.guide_seconds is not None:
            yield Doubt(
                "NO EVIDENCE",
                f"soak {soak.id} of stage {soak.stage}",
                f"it was shortened to {span(soak.first_needed_seconds)}; the guide asks for "
                f"{span(soak.guide_seconds)}",
                soak.run,
            )


def _forced(story: Story) -> Iterator[Doubt]:
    for run in story.runs:
        for gate, reason in run.forced:
            yield Doubt("FORCED", run.title, f"past the gate: {gate} (reason: {reason})", run.id)


def _checks(story: Story) -> Iterator[Doubt]:
    found = [(stage, one) for stage in story.stages for one in story.newest_checks(stage)]
    doubtful = [(_doubtful(one), stage, one) for stage, one in found if _doubtful(one)]
    for kind, stage, check in sorted(doubtful, key=lambda one: one[0] == WORD):
        yield Doubt(kind, f"stage {stage}: {check.id}", _why(check), check.run)


def _doubtful(check: CheckTold) -> str:
    if check.word:
        return "attested over ERROR" if check.verdict == "ERROR" else WORD
    if check.verdict != "PASS":
        return check.verdict + (" (advisory)" if check.advisory else "")
    return ""


def _why(check: CheckTold) -> str:
    if check.word:
        return f"{check.by} said: {check.word}; the measurement: {check.summary}"
    return check.summary


def _runs(story: Story) -> Iterator[Doubt]:
    for run in story.standing.unfinished:
        how = run.status.replace("_", " ") or "nothing says how it ended"
        yield Doubt("UNFINISHED", run.title, how, run.id)


def _evidence(story: Story) -> Iterator[Doubt]:
    for one in story.kept:
        if one.why:
            what = f"evidence of stage {one.stage}" if one.stage is not None else "evidence"
            yield Doubt("NOT HERE", f"{what} ({one.kind}, {one.purpose})", one.why, one.name)
    for fault, seen in story.faults:
        if seen.why and fault.evidence:
            yield Doubt("NOT HERE", f"evidence of {fault.title}", seen.why, fault.evidence)


def _records(story: Story) -> Iterator[Doubt]:
    for run in story.runs:
        for remark in run.remarks:
            yield Doubt("REMARK", run.title, remark, run.id)
    spooled = [one for one in story.subject.records if one.body.get(MARK)]
    if spooled:
        runs = ", ".join(dict.fromkeys(one.run for one in spooled))
        yield Doubt(
            "REMARK",
            f"{len(spooled)} records",
            "were written down on one machine while the journal was out of reach, and sent later",
            runs,
        )

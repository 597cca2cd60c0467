"""The time line: what happened when, as bars of a picture and as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from emonk_ops.reporting.model import Story
from emonk_ops.reporting.plots.timeline import Bar
from emonk_ops.reporting.told.runs import RunTold
from emonk_ops.reporting.told.soaks import SoakTold
from emonk_ops.reporting.told.words import span

TONES = {
    "done": "good",
    "refused": "warn",
    "waiting": "warn",
    "inconclusive": "warn",
    "": "one",
    "interrupted": "warn",
}


@dataclass(frozen=True)
class Event:
    """`how` is a state or a verdict, empty where there is none."""

    at: datetime
    what: str
    how: str
    who: str
    run: str


def bars(story: Story) -> list[Bar]:
    """Lanes in the order in which they are drawn: stages, then what else there was."""
    found = [_stage_bar(run) for run in story.runs if run.command == "stage"]
    found.sort(key=lambda bar: bar.lane)
    found += [_soak_bar(one) for one in story.soaks]
    for fault, _ in story.faults:
        tone = "good" if fault.verdict == "PASS" else "bad"
        told = f"{fault.title}: {fault.verdict or 'no verdict'}"
        found.append(Bar("faults", fault.at, fault.until, tone, told))
    for one in story.rollbacks:
        tone = "one" if one.kind == "drill" and one.ok else "bad"
        told = f"{one.kind}, stage {one.stage}: {one.reason}"
        found.append(Bar("rollbacks", one.at, one.ended_at or one.at, tone, told))
    end = story.subject.records[-1].at
    found += [Bar("holds", one.since, one.until or end, "bad", one.reason) for one in story.holds]
    return found


def _stage_bar(run: RunTold) -> Bar:
    told = f"{run.title}: {run.status.replace('_', ' ') or 'not ended'}"
    return Bar(f"stage {run.stage}", run.at, run.until, TONES.get(run.status, "bad"), told)


def _soak_bar(soak: SoakTold) -> Bar:
    tone = {"": "one", "done": "good"}.get(soak.how, "bad")
    told = f"{soak.id}: {span(soak.covered_seconds)} covered; {soak.how or 'goes on'}"
    return Bar("soaks", soak.began_at, soak.until, tone, told)


def events(story: Story) -> list[Event]:
    """Oldest first."""
    found = [*_runs(story), *_holds(story), *_soaks(story), *_faults(story)]
    return sorted(found, key=lambda one: one.at)


def _runs(story: Story) -> Iterator[Event]:
    for run in story.runs:
        why = f": {run.reason}" if run.reason else ""
        status = run.status.replace("_", " ") or "not ended"
        yield Event(run.at, f"{run.title}{why}", status, run.who, run.id)
        for one in run.rollbacks:
            if one.kind != "drill" and run.command == "stage":
                how = {True: "done", False: "restore incomplete", None: "not ended"}[one.ok]
                what = f"rollback of stage {one.stage}: {one.reason}"
                yield Event(one.at, what, how, run.who, run.id)


def _holds(story: Story) -> Iterator[Event]:
    for one in story.holds:
        yield Event(one.since, f"on hold: {one.reason}", "", "", one.run)
        if one.until is not None:
            yield Event(one.until, f"hold lifted: {one.lifted_why}", "", one.lifted_by, one.run)


def _soaks(story: Story) -> Iterator[Event]:
    for soak in story.soaks:
        yield Event(soak.began_at, f"soak {soak.id} of stage {soak.stage} began", "", "", soak.run)
        for at, criterion, summary in soak.breaches:
            yield Event(at, f"soak {soak.id}: breach: {criterion}: {summary}", "", "", soak.run)
        for at, now, _why in soak.extensions:
            told = f"soak {soak.id} was extended to {span(now)}"
            yield Event(at, told, "", "", soak.run)
        if soak.how:
            yield Event(soak.until, f"soak {soak.id} ended: {soak.how}", "", "", soak.run)


def _faults(story: Story) -> Iterator[Event]:
    for fault, _ in story.faults:
        yield Event(fault.at, f"fault {fault.title}", fault.verdict, "", fault.run)

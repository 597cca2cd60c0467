"""What went wrong and how it ended, each told once, in the order in which it came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from textwrap import shorten

from emonk_ops.reporting.model import Story
from emonk_ops.reporting.told.runs import RollbackTold, RunTold
from emonk_ops.reporting.told.words import instant, span

WRONG = ("failed", "rolled_back", "error", "restore_incomplete", "interrupted", "")
LONGEST = 110  # characters of a reason
EXPECTED = ("PASS", "NOT_EXERCISED")  # verdicts of faults: the second one says nothing


@dataclass(frozen=True)
class Trouble:
    at: datetime
    what: str
    run: str


def troubles(story: Story) -> list[Trouble]:
    found = [*_runs(story), *_soaks(story), *_faults(story)]
    return sorted(found, key=lambda one: one.at)


def _runs(story: Story) -> Iterator[Trouble]:
    for run in story.runs:
        backwards = [one for one in run.rollbacks if one.kind != "drill"]
        yield from (Trouble(one.at, _rolled_back(one), run.id) for one in backwards)
        if not backwards and run.status in WRONG and not _answered(story, run):
            how = run.summary or f"{run.title}: nothing says how it ended"
            yield Trouble(run.at, shorten(how, LONGEST), run.id)


def _answered(story: Story, run: RunTold) -> bool:
    """Whether the same command was run again and ended: what came of that one is told instead."""
    later = story.runs[story.runs.index(run) + 1 :]
    return any(
        (one.command, one.stage) == (run.command, run.stage) and one.status != "refused"
        for one in later
    )


def _rolled_back(one: RollbackTold) -> str:
    end = {True: "completed", False: "NOT completed", None: "not ended"}[one.ok]
    took = f" in {span(one.seconds)}" if one.ok and one.seconds is not None else ""
    kind = "rollback" if one.kind in ("ordinary", "after a failure") else f"{one.kind} rollback"
    stage = f" of stage {one.stage}" if one.stage is not None else ""
    why = f", because: {shorten(one.reason, LONGEST)}" if one.reason else ""
    return f"{kind}{stage} on {instant(one.at)}, {end}{took}{why}"


def _soaks(story: Story) -> Iterator[Trouble]:
    """Breaches whose rollback is not told already."""
    told = {one.run for one in story.rollbacks}
    for soak in story.soaks:
        last = soak.breaches[-1][1] if soak.breaches else ""
        criterion = soak.criterion or last
        if criterion and soak.ended_by not in told:
            what = f"soak {soak.id} of stage {soak.stage} was breached by {criterion} on "
            yield Trouble(soak.until, f"{what}{instant(soak.until)}", soak.ended_by or soak.run)


def _faults(story: Story) -> Iterator[Trouble]:
    for fault, _ in story.faults:
        if fault.verdict not in EXPECTED:
            what = f"fault {fault.title}: {fault.verdict or 'no verdict'}"
            yield Trouble(fault.until, what, fault.run)

"""The five sentences on top: where it stands, who drives, what is proven, what went wrong, next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emonk_ops.reporting.document import Code, Span, Spans, Strong
from emonk_ops.reporting.model import Story
from emonk_ops.reporting.told.words import count, instant, listed, ranged, span
from emonk_ops.reporting.troubles import troubles
from emonk_ops.rollout.registry import stage_modules

DRIVERS = {
    "legacy": "the legacy loop inside the service",
    "cloud": "Cloud Scheduler alone",
    "shadow": "both paths side by side (shadow)",
    "nobody": "nobody",
}
MOST_TOLD = 3  # of what went wrong


def sentences(story: Story) -> list[Spans]:
    """Each begins with what it answers."""
    return [
        [Strong("Where it stands: "), *_stands(story)],
        [Strong("Who drives: "), *_drives(story)],
        [Strong("Proven: "), *_proven(story)],
        [Strong("Went wrong: "), *_wrong(story)],
        [Strong("Next: "), *_next(story)],
    ]


def headline(story: Story) -> str:
    """Where it stands, in one line and without ids."""
    passed = sorted(story.standing.passed)
    hold = ", and is on hold" if story.standing.hold else ""
    if not passed:
        return f"{story.env} has passed no stage that still holds{hold}"
    word = "stage" if len(passed) == 1 else "stages"
    return f"{story.env} holds {word} {ranged(passed)}{hold}"


def _stands(story: Story) -> Iterator[Span]:
    passed = story.standing.passed
    yield f"{headline(story)}; "
    if passed:
        newest = max(passed)
        runs = [run for run in story.runs_of_stage(newest) if run.status == "done"]
        yield f"stage {newest} last passed on {instant(passed[newest])}"
        yield from _ids([run.id for run in runs[-1:]])
        yield ", as the journal has it up to "
    else:
        yield "the journal goes up to "
    yield f"{instant(story.subject.records[-1].at)}."


def _drives(story: Story) -> Iterator[Span]:
    found = story.driver
    if found is None:
        yield "the journal does not say."
        return
    who = DRIVERS.get(found.driver, found.driver)
    yield f"{who}, as it was last read on {instant(found.at)} (run "
    yield Code(found.run)
    yield ")."


def _proven(story: Story) -> Iterator[Span]:
    checks = [one for stage in story.standing.passed for one in story.newest_checks(stage)]
    measured = sum(one.verdict == "PASS" for one in checks)
    told = sum(bool(one.word) for one in checks)
    if checks:
        yield f"{measured} of {count(len(checks), 'check')} of the stages that hold were measured "
        yield f"and passed, {told or 'none'} rest on a person's word"
    else:
        yield "nothing yet that still holds"
    soaks = [one for one in story.soaks if one.how == "done" and one.stage in story.standing.passed]
    if soaks:
        yield "; healthy time that was seen: "
        yield listed(f"{span(one.covered_seconds)} in stage {one.stage}" for one in soaks)
        yield from _ids([one.run for one in soaks])
    if story.faults:
        good = sum(fault.verdict == "PASS" for fault, _ in story.faults)
        yield f"; {good} of {count(len(story.faults), 'injected fault')} did what was expected"
        yield from _ids([fault.run for fault, _ in story.faults])
    yield "."


def _wrong(story: Story) -> Iterator[Span]:
    found = troubles(story)
    if not found:
        yield "nothing that the journal tells of."
        return
    shown = found[-MOST_TOLD:]
    if len(found) > len(shown):
        yield f"{count(len(found), 'thing')}, the newest of them: "
    for number, one in enumerate(shown):
        yield f"{'; ' if number else ''}{one.what} (run "
        yield Code(one.run)
        yield ")"
    yield "."


def _next(story: Story) -> Iterator[Span]:
    env, standing = story.env, story.standing
    if standing.injections.open:
        yield "undo the fault that is still open: "
        yield Code(f"emonk-ops inject restore --all --env {env}")
    elif standing.hold is not None and not standing.hold.complete:
        yield "let the rollback end: "
        yield Code(f"emonk-ops rollback --env {env}")
    elif standing.hold is not None:
        yield "somebody says why it may go on: "
        yield Code(f'emonk-ops resume --env {env} --reason "…"')
    elif standing.unfinished:
        yield f"{standing.unfinished[0].title} stopped half way: "
        yield Code(f"emonk-ops status --env {env}")
    else:
        yield from _onwards(story)
    yield "."


def _onwards(story: Story) -> Iterator[Span]:
    soaking = [one for one in story.standing.soaks.values() if one.open]
    if soaking:
        one = soaking[-1]
        yield f"the soak of stage {one.stage} lacks {span(one.left_seconds)}: "
        yield Code(f"emonk-ops stage {one.stage} --env {story.env}")
        return
    left = [one for one in sorted(stage_modules()) if one not in story.standing.passed]
    if left:
        yield f"stage {left[0]}: "
        yield Code(f"emonk-ops stage {left[0]} --env {story.env}")
    else:
        yield "all stages hold: "
        yield Code(f"emonk-ops status --env {story.env}")


def _ids(ids: Sequence[str]) -> Iterator[Span]:
    """The runs in parentheses; nothing for none."""
    for number, one in enumerate(dict.fromkeys(ids)):
        yield ", " if number else " (run "
        yield Code(one)
    if ids:
        yield ")"

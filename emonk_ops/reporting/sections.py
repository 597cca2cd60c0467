"""The sections of one environment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from emonk_ops.reporting.document import (
    Badge,
    Block,
    Code,
    Fold,
    Heading,
    Numbered,
    Paragraph,
    Plot,
    Spans,
    Table,
)
from emonk_ops.reporting.doubts import doubts
from emonk_ops.reporting.events import bars, events
from emonk_ops.reporting.model import Story, WordTold
from emonk_ops.reporting.pictures import evidence_plots, fault_plots, rollback_plots, soak_plots
from emonk_ops.reporting.plots.timeline import timeline_figure
from emonk_ops.reporting.sentences import headline, sentences
from emonk_ops.reporting.told.faults import FaultTold
from emonk_ops.reporting.told.runs import CheckTold, RollbackTold, StepTold
from emonk_ops.reporting.told.words import count, instant, listed, span


def environment(story: Story) -> Iterator[Block]:
    """All that is said of it; only that nothing is recorded, where that is so."""
    yield Heading(2, story.env)
    if not story.subject.records:
        yield Paragraph([f"Nothing is recorded yet in {story.env}."])
        return
    yield Numbered(sentences(story))
    if found := bars(story):
        figure = timeline_figure("time-line", _course(story), found, len(story.runs))
        yield Plot(f"{story.env}-time-line", figure)
    yield from _stages(story)
    yield from _words(story)
    yield from _soaks(story)
    yield from _faults(story)
    yield from _rollbacks(story)
    yield from _doubts(story)
    yield from _events(story)


def _course(story: Story) -> str:
    """The title of the time line."""
    records = story.subject.records
    what = listed(
        (
            count(len(story.rollbacks), "rollback"),
            count(len(story.faults), "injected fault"),
            count(len(story.holds), "hold"),
        )
    )
    took = span((records[-1].at - records[0].at).total_seconds())
    return f"{headline(story)}: {took} from the first record to the last, {what}"


def _stages(story: Story) -> Iterator[Block]:
    if not story.stages:
        return
    yield Heading(3, "Stages and their checks")
    yield Paragraph(["Of each check its newest answer; verdicts.json has those of every run."])
    for stage in story.stages:
        yield _stage(story, stage)


def _stage(story: Story, stage: int) -> Fold:
    runs = story.runs_of_stage(stage)
    checks = story.newest_checks(stage)
    found = Counter(one.verdict for one in checks)
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in found.most_common())
    passed = story.standing.passed.get(stage)
    state = "passed" if passed else (runs[-1].status.replace("_", " ") or "not ended")
    if not passed and state == "done":
        state = "undone since"
    title = runs[-1].title.partition(": ")[2] or runs[-1].title
    told = f"  Stage {stage}, {title}: {verdicts or 'no check'} in {count(len(runs), 'run')}"
    rows: list[Sequence[Spans]] = [_check_row(one) for one in checks]
    head = ("check", "verdict", "what was found", "n", "run, evidence")
    blocks: list[Block] = [Table(head, rows)] if rows else []
    blocks += [
        Paragraph(
            [
                f"{instant(run.at)} by {run.who}: ",
                Badge(run.status.replace("_", " ") or "not ended"),
                f" {run.summary} (run ",
                Code(run.id),
                ")",
            ]
        )
        for run in runs
    ]
    return Fold([Badge(state), told], blocks)


def _check_row(check: CheckTold) -> Sequence[Spans]:
    word = [f". {check.by} said: {check.word}"] if check.word else []
    source: list[Code | str] = [Code(check.run)]
    if check.evidence:
        source += [" ", Code(check.evidence)]
    return (
        [Code(check.id), f" {check.sentence}"],
        [Badge(check.verdict), " advisory" if check.advisory else ""],
        [check.summary, *word],
        ["" if check.n is None else f"{check.n:,}"],
        source,
    )


def _words(story: Story) -> Iterator[Block]:
    if not story.words:
        return
    yield Heading(3, "What people vouched for")
    rows: list[Sequence[Spans]] = [
        (
            [f"stage {one.stage}: ", Code(one.check)],
            [one.word],
            [one.who],
            [one.over],
            [instant(one.at)],
            [part for run in runs for part in (Code(run), " ")],
        )
        for one, runs in _said(story.words)
    ]
    yield Table(("check", "the word", "who", "over", "when", "run"), rows)


def _said(words: Sequence[WordTold]) -> list[tuple[WordTold, list[str]]]:
    """Each word once, with all runs in which it was given; the newest time is told."""
    found: dict[tuple[int, str, str, str], tuple[WordTold, list[str]]] = {}
    for one in words:
        key = (one.stage, one.check, one.word, one.who)
        runs = found[key][1] if key in found else []
        found[key] = one, list(dict.fromkeys((*runs, one.run)))
    return list(found.values())


def _soaks(story: Story) -> Iterator[Block]:
    newest, earlier = soak_plots(story)
    if newest:
        yield Heading(3, "Soaks: healthy time that was seen")
        yield from newest
    if earlier:
        summary = f"{count(len(earlier), 'soak')} before, which began anew or were breached"
        yield Fold([summary], earlier)
    yield from evidence_plots(story)


def _faults(story: Story) -> Iterator[Block]:
    if not story.faults:
        return
    yield Heading(3, "Injected faults")
    yield from fault_plots(story)
    rows = [_fault_row(fault) for fault, _ in story.faults]
    yield Table(
        ("fault", "proof that it landed", "verdict", "restored after", "run, evidence"), rows
    )
    observed = [one for fault, _ in story.faults for one in fault.observations]
    if observed:
        summary = [f"What was expected of each fault, and what was seen ({len(observed)})"]
        head = ("expected", "verdict", "what was seen", "evidence")
        yield Fold(summary, [Table(head, [_observation_row(one) for one in observed])])


def _fault_row(fault: FaultTold) -> Sequence[Spans]:
    took, bound = fault.restore_seconds, fault.bound_seconds
    restored = "" if took is None else span(took)
    if fault.restored is False:
        restored = "NOT KNOWN TO BE"
    most = f" (at most {span(bound)})" if bound else ""
    return (
        [Code(fault.title)],
        [fault.proof or "none: it did not land"],
        [Badge(fault.verdict or "no verdict"), f" {fault.summary}"],
        [restored + (most if restored else "")],
        [Code(fault.run), " ", Code(fault.evidence) if fault.evidence else ""],
    )


def _observation_row(one: CheckTold) -> Sequence[Spans]:
    source = [Code(one.evidence)] if one.evidence else [Code(one.run)]
    return [Code(one.id), f" {one.sentence}"], [Badge(one.verdict)], [one.summary], source


def _rollbacks(story: Story) -> Iterator[Block]:
    found = story.rollbacks
    if not found:
        return
    yield Heading(3, "Rollbacks")
    yield from rollback_plots(story)
    rows = [_rollback_row(one) for one in found]
    yield Table(("rollback", "why", "end", "took", "run"), rows)
    for one in found:
        if one.steps:
            head = ("step", "end", "what it did", "took", "budget")
            what = f"Steps of the {one.kind} rollback on {instant(one.at)} (run "
            yield Fold([what, Code(one.run), ")"], [Table(head, _step_rows(one.steps))])


def _rollback_row(one: RollbackTold) -> Sequence[Spans]:
    stage = f", stage {one.stage}" if one.stage is not None else ""
    end = {True: "done", False: "restore incomplete", None: "not ended"}[one.ok]
    left = f" left: {'; '.join(one.left)}" if one.left else ""
    took = "" if one.seconds is None else span(one.seconds)
    notes = f" ({'; '.join(one.notes)})" if one.notes else ""
    return (
        [f"{one.kind}{stage}, {instant(one.at)}"],
        [one.reason],
        [Badge(end), left],
        [took + notes],
        [Code(one.run)],
    )


def _step_rows(steps: Iterable[StepTold]) -> list[Sequence[Spans]]:
    words = {True: "done", False: "failed", None: "not ended"}
    return [
        (
            [Code(one.id)],
            [Badge("already so" if one.ok and not one.changed else words[one.ok])],
            [one.summary.removeprefix("already so: ")],
            ["" if one.seconds is None else span(one.seconds)],
            [f"{one.budget_seconds:g} s" if one.budget_seconds else ""],
        )
        for one in steps
    ]


def _doubts(story: Story) -> Iterator[Block]:
    yield Heading(3, "What is not proven")
    found = doubts(story)
    if not found:
        yield Paragraph(
            ["Nothing is left open: every check was measured, and its evidence is here."]
        )
        return
    rows = [([Badge(one.kind)], [one.what], [one.why], [Code(one.source)]) for one in found]
    yield Table(("kind", "what", "why", "run or evidence"), rows)


def _events(story: Story) -> Iterator[Block]:
    found = events(story)
    yield Heading(3, "Time line")
    rows = [
        (
            [f"{one.at:%Y-%m-%d %H:%M:%S}Z"],
            [one.what],
            [Badge(one.how) if one.how else ""],
            [one.who],
            [Code(one.run)],
        )
        for one in found
    ]
    table = Table(("when", "what", "end", "who", "run"), rows)
    yield Fold([f"All {count(len(found), 'event')}, the oldest first"], [table])

"""A report of one or several environments: what is said first, then each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emonk_ops.reporting.document import Block, Code, Document, Heading, Notice, Paragraph, Table
from emonk_ops.reporting.model import Story
from emonk_ops.reporting.sections import environment
from emonk_ops.reporting.sentences import DRIVERS
from emonk_ops.reporting.told.words import count, instant, listed, ranged

SANDBOX = "sandbox"


def report_of(stories: Sequence[Story]) -> Document:
    """At least one story, of one service."""
    subject = stories[0].subject
    names = listed(story.env for story in stories)
    return Document(f"Rollout of {subject.service} in {names}", list(_blocks(stories)))


def _blocks(stories: Sequence[Story]) -> Iterator[Block]:
    yield from notices(stories)
    if len(stories) > 1:
        yield _overview(stories)
    for story in stories:
        yield from environment(story)
    yield Heading(2, "Where this comes from")
    yield Paragraph(
        [
            "Every sentence names the run or the evidence that it rests on. ",
            Code("emonk-ops history --env ENV"),
            " tells a run, ",
            Code("emonk-ops judge RUN --env ENV"),
            " reaches its verdicts again from the evidence, without the cloud.",
        ]
    )
    for story in stories:
        yield Paragraph(_origin(story))


def _origin(story: Story) -> list[str | Code]:
    records = story.subject.records
    if not records:
        return [f"{story.env}: no record"]
    return [
        f"{story.env}: project {story.subject.project}, {count(len(records), 'record')} up to "
        f"{instant(records[-1].at)}; the last one's hash is ",
        Code(records[-1].hash),
        ".",
    ]


def notices(stories: Sequence[Story]) -> Iterator[Notice]:
    """What must be known before anything is believed."""
    played = [story.env for story in stories if story.subject.target == SANDBOX]
    if played:
        yield Notice(
            "bad",
            [
                f"SANDBOX: {listed(played)} ran in a Google Cloud imitated on one machine. "
                "This is a rehearsal and NO EVIDENCE of how the real cloud behaves."
            ],
        )
    virtual = [story.env for story in stories if story.virtual]
    if virtual:
        yield Notice(
            "warn",
            [
                f"VIRTUAL CLOCK: in {listed(virtual)} hours passed on the journal's clock that "
                "nobody waited for. Soaks and instants are of that clock; times of steps are a "
                "stopwatch's."
            ],
        )
    short = [(story.env, soak) for story in stories for soak in story.soaks if soak.shortened]
    if short:
        named = listed(f"{soak.id} of stage {soak.stage} in {env}" for env, soak in short)
        yield Notice("bad", [f"NO EVIDENCE: shorter than the guide asks for: {named}."])
    for story in stories:
        if story.standing.injections.open:
            yield Notice("bad", [f"A fault that was injected in {story.env} may still be there."])


def _overview(stories: Sequence[Story]) -> Table:
    rows = []
    for story in stories:
        passed = sorted(story.standing.passed)
        driver = "" if story.driver is None else story.driver.driver
        rows.append(
            (
                [story.env],
                [ranged(passed) or "none"],
                [DRIVERS.get(driver, driver) or "unknown"],
                [str(len(story.rollbacks))],
                [_faults(story)],
                ["ON HOLD" if story.standing.hold else "no"],
            )
        )
    head = ("environment", "stages that hold", "who drives", "rollbacks", "faults passed", "hold")
    return Table(head, rows)


def _faults(story: Story) -> str:
    good = sum(fault.verdict == "PASS" for fault, _ in story.faults)
    return f"{good} of {len(story.faults)}"

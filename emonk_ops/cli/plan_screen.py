"""A plan on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from emonk_ops.cli.output import Output
from emonk_ops.cli.wording import diff_lines, planned_line
from emonk_ops.rollout.guide.listing import Listed
from emonk_ops.rollout.plan import StagePlan

WIDTH = 80
ANSWER = " " * 8 + "-> "


def show_plan(screen: Output, planned: StagePlan) -> None:
    stage = planned.stage
    screen.line(
        f"plan of stage {stage.number}: {stage.title} (reversibility: {stage.reversibility})"
    )
    if planned.closed is not None:
        screen.line(f"  not now: {planned.closed.message}")
    for phase, checks in planned.checks.items():
        if phase == "verify":
            _show_steps(screen, planned)
        if checks:
            screen.line(f"== {phase}")
        for check in checks:
            screen.line(f"  {check.id}: {check.sentence}")
    for line in guide_lines(planned.guide):
        screen.line(line)


def guide_lines(guide: tuple[Listed, ...]) -> Iterator[str]:
    """Two lines for each of the guide's: what it says, cut to the width, and what answers it."""
    heading = section = ""
    if guide:
        yield "== the guide"
    for one in guide:
        if one.heading != heading:
            heading, section = one.heading, ""
            yield f"  {heading}"
        if one.section != section:
            section = one.section
            yield f"    {section}"
        yield _shortened(f"      {one.line}")
        yield from wrap(
            _answered(one),
            WIDTH,
            initial_indent=ANSWER,
            subsequent_indent=" " * len(ANSWER),
            break_on_hyphens=False,
        )


def _shortened(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _answered(one: Listed) -> str:
    if not one.ids:
        return f"only {one.only}"
    ids = ", ".join(one.ids)
    return ids if one.here else f"{one.by}: {ids}"


def _show_steps(screen: Output, planned: StagePlan) -> None:
    screen.line("== steps")
    if not planned.steps:
        screen.line("  none: this stage changes nothing")
    for one in planned.steps:
        screen.line(f"  {planned_line(one)}")
        for line in diff_lines(one.would.facts if one.would else {}):
            screen.line(f"      {line}")

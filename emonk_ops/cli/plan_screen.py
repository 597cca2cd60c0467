"""A plan on the screen."""

from __future__ import annotations

from emonk_ops.cli.output import Output
from emonk_ops.cli.wording import diff_lines, planned_line
from emonk_ops.rollout.plan import StagePlan


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


def _show_steps(screen: Output, planned: StagePlan) -> None:
    screen.line("== steps")
    if not planned.steps:
        screen.line("  none: this stage changes nothing")
    for one in planned.steps:
        screen.line(f"  {planned_line(one)}")
        for line in diff_lines(one.would.facts if one.would else {}):
            screen.line(f"      {line}")

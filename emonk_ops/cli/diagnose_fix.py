"""`emonk-ops diagnose --fix`: the plan, a question, the repairs, and a second look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emonk_ops.cli.consent import consent, require_flag, show_steps
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.screens import can_ask, screen_for
from emonk_ops.errors import ExitCode, OnHold, OpsError, Refused, most_urgent

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.rollout.book import RunRecord
    from emonk_ops.rollout.plan import PlannedStep
    from emonk_ops.rollout.report import StepOutcome
    from emonk_ops.toolbox import Toolbox

TITLE = "diagnose --fix"
PHASE = "repair"


def fix(
    desk: Desk, tools: Toolbox, found: Diagnosis, *, yes: bool, no_input: bool, reason: str
) -> tuple[ExitCode, dict[str, Any], tuple[OpsError, ...]]:
    """Do what is safe about the causes found. Raises Refused, OnHold and Locked."""
    from emonk_ops.operations.diagnosing.repairs import repairs_of
    from emonk_ops.rollout.plan import preview_all

    steps = repairs_of(found.causes)
    by_hand = _by_hand(found)
    planned = preview_all(steps, tools)
    if not any(one.word == "change" for one in planned):
        _nothing_to_do(desk, planned, by_hand)
        errors = tuple(one.error for one in planned if one.error is not None)
        codes = [found.code, *(one.exit_code for one in errors)]
        data = {"repaired": [], "planned": [one.to_data() for one in planned], "by_hand": by_hand}
        return most_urgent(codes), data, errors
    require_flag(desk, yes=yes, no_input=no_input, what=TITLE)
    require_not_held(desk)
    desk.screen.line("plan:")
    if yes or not can_ask(desk, no_input):
        show_steps(desk, tools, steps)
    screen = screen_for(desk)
    consent(desk, tools, screen, yes=yes, no_input=no_input)(steps)
    outcomes = _act(desk, tools, planned, reason)
    for line in by_hand:
        desk.screen.line(f"  by hand: {line}")
    codes = [one.error.exit_code for one in outcomes if one.error is not None]
    codes += [ExitCode.CHECK_FAILED] if by_hand else []
    errors = tuple(one.error for one in outcomes if one.error is not None)
    data = {"repaired": [one.to_data() for one in outcomes], "by_hand": by_hand}
    return most_urgent(codes), data, errors


def _by_hand(found: Diagnosis) -> list[str]:
    """What no repair heals, nor the end of a cause that explains it."""
    from emonk_ops.operations.diagnosing.diagnosis import explains
    from emonk_ops.operations.diagnosing.repairs import repairs_of

    mended = [one.cause for one in found.causes if repairs_of([one])]
    return [
        one.command
        for one in found.causes
        if one.cause not in mended and not any(explains(cause, one.cause) for cause in mended)
    ]


def require_not_held(desk: Desk) -> None:
    """A repair lets things go on, and on a hold nothing does."""
    desk.book.require_reachable()
    standing = desk.book.standing()
    name = desk.env.name
    if standing.hold is not None:
        raise OnHold(
            f"{name} is on hold: {standing.hold.reason}",
            hint=f'emonk-ops resume --env {name} --reason "why it may go on"',
        )
    if standing.injections.open:
        raise Refused(
            f"a fault that was injected into {name} on purpose is still there",
            hint=f"emonk-ops inject restore --all --env {name}",
        )


def _act(
    desk: Desk, tools: Toolbox, planned: tuple[PlannedStep, ...], reason: str
) -> list[StepOutcome]:
    from emonk_ops.rollout.book import Heading
    from emonk_ops.rollout.guarded import GuardedPorts
    from emonk_ops.rollout.standing import REPAIRS

    with desk.book.locked_run(Heading(REPAIRS, TITLE, reason=reason)) as run:
        guarded = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock), run_id=run.id)
        require_same(desk, guarded, planned)
        outcomes = _run(desk, guarded, run, planned)
        bad = [one.error.exit_code for one in outcomes if one.error is not None]
        told = f"{len(outcomes) - len(bad)} of {len(outcomes)} repairs"
        run.end(most_urgent(bad), told)
    return outcomes


def _run(
    desk: Desk, tools: Toolbox, run: RunRecord, planned: tuple[PlannedStep, ...]
) -> list[StepOutcome]:
    """A repair that fails does not keep the others from being done."""
    from emonk_ops.rollout.steps import run_step

    screen = screen_for(desk)
    with screen.showing():
        return [
            run_step(PHASE, one.step, tools=tools, run=run, observer=screen)
            for one in planned
            if one.would is not None
        ]


def require_same(desk: Desk, tools: Toolbox, planned: tuple[PlannedStep, ...]) -> None:
    """Somebody may have been quicker while a person read the plan. Raises Refused."""
    from emonk_ops.cli.wording import diff_lines
    from emonk_ops.rollout.plan import preview_all

    now = preview_all(tuple(one.step for one in planned), tools)
    changed = [
        (before, after)
        for before, after in zip(planned, now, strict=True)
        if _would(before) != _would(after)
    ]
    if not changed:
        return
    for before, after in changed:
        desk.screen.line(f"  {before.step.id}: planned {before.summary}, now {after.summary}")
        for mark, one in (("-", before), ("+", after)):
            for line in diff_lines(_would(one)):
                desk.screen.line(f"      {mark} {line}")
    raise Refused(
        f"the world changed between plan and act: {', '.join(one.step.id for one, _ in changed)}",
        hint=f"emonk-ops diagnose --env {desk.env.name}",
    )


def _would(planned: PlannedStep) -> Mapping[str, Any]:
    return planned.would.facts if planned.would is not None else {}


def _nothing_to_do(desk: Desk, planned: tuple[PlannedStep, ...], by_hand: list[str]) -> None:
    from emonk_ops.cli.wording import planned_line

    for one in planned:
        desk.screen.line(f"  {planned_line(one)}")
    if not planned:
        told = "no repair is safe to do at once" if by_hand else "already so: nothing to repair"
        desk.screen.line(told)
    for line in by_hand:
        desk.screen.line(f"  by hand: {line}")

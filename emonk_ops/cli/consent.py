"""Before anything is changed: a question on a terminal, a flag in production."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.screens import Screen, ask, can_ask
from emonk_ops.errors import Refused

if TYPE_CHECKING:
    from emonk_ops.rollout.checks import Ask
    from emonk_ops.rollout.model import Check, Finding, Step
    from emonk_ops.toolbox import Toolbox

AGREED = ("y", "yes")


def is_production(name: str) -> bool:
    return name.lower().startswith("prod")


def require_flag(desk: Desk, *, yes: bool, no_input: bool, what: str) -> None:
    """Without a terminal, production wants --yes before anything begins. Raises Refused."""
    if yes or can_ask(desk, no_input) or not is_production(desk.env.name):
        return
    raise Refused(
        f"{what} changes {desk.env.name}, and there is nobody to ask",
        hint=f"emonk-ops {what} --env {desk.env.name} --yes",
    )


def consent(
    desk: Desk, tools: Toolbox, screen: Screen, *, yes: bool, no_input: bool
) -> Callable[[tuple[Step, ...]], None]:
    """Shows the plan and asks; says yes by itself where --yes or the environment allows it."""

    def agree(steps: tuple[Step, ...]) -> None:
        if yes or not can_ask(desk, no_input):
            return
        with screen.paused():
            show_steps(desk, tools, steps)
            _ask_to_go_on(desk)

    return agree


def show_steps(desk: Desk, tools: Toolbox, steps: tuple[Step, ...]) -> None:
    from emonk_ops.cli.wording import diff_lines, planned_line
    from emonk_ops.rollout.plan import preview_all

    for planned in preview_all(steps, tools):
        desk.screen.line(f"  {planned_line(planned)}")
        for line in diff_lines(planned.would.facts if planned.would else {}):
            desk.screen.line(f"      {line}")


def word_asker(desk: Desk, screen: Screen, no_input: bool) -> Ask | None:
    """Asks a person for a check's answer; None where nobody can be asked."""
    if not can_ask(desk, no_input):
        return None

    def asked(check: Check, finding: Finding) -> str | None:
        with screen.paused():
            desk.err.line(f"{check.id}: {check.sentence}")
            desk.err.line(f"  {finding.verdict}: {finding.summary}")
            return ask(desk, "  your word (who says so, and why; empty: none): ") or None

    return asked


def _ask_to_go_on(desk: Desk) -> None:
    name = desk.env.name
    if is_production(name):
        if ask(desk, f"This changes {name}. Type its name to go on: ") == name:
            return
    elif ask(desk, "Go on? [y/N] ").lower() in AGREED:
        return
    raise Refused("not agreed; nothing was changed", hint="--yes goes on without asking")

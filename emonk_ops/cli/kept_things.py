"""What `alerts` and `dashboard` have in common: plan, apply and remove, shown and recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from emonk_ops.operations.alerts.keeping import Change, Part
    from emonk_ops.toolbox import Toolbox

LONGEST_VALUE = 160


def show_plan(desk: Desk, part: Part) -> ExitCode:
    from emonk_ops.operations.alerts.keeping import Action, plan

    desk.show_header()
    changes = plan(desk.toolbox(), part)
    ended = all(one.action is Action.NONE for one in changes)
    return _answer(desk, part, changes, changed=False, then=_look(part) if ended else "apply")


def apply_part(desk: Desk, part: Part, *, yes: bool, no_input: bool, reason: str) -> ExitCode:
    from emonk_ops.operations.alerts.keeping import apply

    return _recorded(desk, part, "apply", apply, yes=yes, no_input=no_input, reason=reason)


def remove_part(desk: Desk, part: Part, *, yes: bool, no_input: bool, reason: str) -> ExitCode:
    from emonk_ops.operations.alerts.keeping import remove

    return _recorded(desk, part, "remove", remove, yes=yes, no_input=no_input, reason=reason)


def _recorded(
    desk: Desk,
    part: Part,
    verb: str,
    act: Callable[[Toolbox, Part], tuple[Change, ...]],
    *,
    yes: bool,
    no_input: bool,
    reason: str,
) -> ExitCode:
    from emonk_ops.cli.consent import require_flag
    from emonk_ops.operations.alerts.keeping import Action
    from emonk_ops.rollout.book import Heading

    title = f"{part} {verb}"
    desk.show_header()
    require_flag(desk, yes=yes, no_input=no_input, what=title)
    with desk.book.free_run(Heading(part, title, reason=reason)) as record:

        def said(_line: str) -> None:
            record.changed = True  # said before each change, so that a failing one counts too

        changes = act(desk.toolbox(say=said), part)
        done = [one for one in changes if one.action is not Action.NONE]
        told = counted(changes) if changes else "nothing there"
        record.end(
            ExitCode.DONE, told, changes=[f"{one.action} {one.kind} {one.title}" for one in done]
        )
    then = _look(part) if verb == "apply" else ""
    return _answer(desk, part, changes, changed=bool(done), then=then)


def _look(part: Part) -> str:
    return "check" if part == "alerts" else "open"


def _answer(
    desk: Desk, part: Part, changes: Sequence[Change], *, changed: bool, then: str
) -> ExitCode:
    """`then` is the next command's verb."""
    from emonk_ops.operations.alerts.keeping import Action

    for one in changes:
        if one.action is Action.NONE:
            continue
        desk.screen.line(f"  {one.action:10} {one.kind}: {one.title}")
        for name, (found, wanted) in one.diff.items():
            desk.screen.line(f"      {name}: {_short(found)} -> {_short(wanted)}")
    desk.screen.line(f"  {counted(changes)}" if changes else "  nothing of ours is there")
    data = {
        "changed": changed,
        "changes": [
            {
                "kind": one.kind,
                "name": one.name,
                "title": one.title,
                "action": one.action,
                "diff": one.diff,
            }
            for one in changes
        ],
    }
    hint = f"emonk-ops {part} {then} --env {desk.env.name}" if then else ""
    return desk.answer(data, hint=hint)


def counted(changes: Sequence[Change]) -> str:
    from collections import Counter

    found = Counter(str(one.action) for one in changes)
    return ", ".join(f"{number} {action}" for action, number in found.items())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"

"""`emonk-ops rollback` and `emonk-ops resume`."""

from __future__ import annotations

from typing import Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, UsageError

DRILL = "drill"
ASKED = "asked for by the operator"
What = Annotated[
    str,
    typer.Argument(
        metavar="[drill]",
        help="drill: undo stage 4, timed, and do it again. Not in production.",
    ),
]
Further = Annotated[
    bool, typer.Option("--further", help="After a rollback, also undo the stage before it.")
]
Partial = Annotated[
    bool,
    typer.Option("--partial", help="Firestore trouble only: JSON storage, the same driver."),
]
Emergency = Annotated[
    bool,
    typer.Option("--emergency", help="At once: asks nothing, needs no --env (see [rollback])."),
]
To = Annotated[
    int | None,
    typer.Option("--to", metavar="STAGE", help="Undo every stage behind this one, newest first."),
]


def register_rollback(app: typer.Typer) -> None:
    command(app, "rollback")(rollback)


def register_resume(app: typer.Typer) -> None:
    command(app, "resume")(resume)


def rollback(
    desk: Desk,
    what: What = "",
    plan: options.Plan = False,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    reason: options.Reason = "",
    further: Further = False,
    to: To = None,
    partial: Partial = False,
    emergency: Emergency = False,
) -> ExitCode:
    """Undo the newest stage, from what was captured before it."""
    kinds = {DRILL: what == DRILL, "--further": further, "--to": to is not None}
    _require_one({**kinds, "--partial": partial, "--emergency": emergency})
    if emergency:
        from emonk_ops.cli.emergency import emergency as at_once

        return at_once(desk, plan=plan, reason=reason or "an emergency")
    if partial:
        from emonk_ops.cli.partial import partial as partly

        return partly(desk, plan=plan, yes=yes, no_input=no_input, reason=reason)
    if what == DRILL:
        from emonk_ops.cli.drill import drill

        return drill(desk, plan=plan, yes=yes, no_input=no_input, reason=reason)
    if what:
        raise UsageError(f"rollback {what}: there is only {DRILL}", hint="emonk-ops rollback -h")
    if to is not None:
        from emonk_ops.cli.rollback_to import plan_to, roll_back_to

        if plan:
            return plan_to(desk, to)
        return roll_back_to(desk, to, yes=yes, no_input=no_input, reason=reason or ASKED)
    if plan:
        return _plan(desk, further)
    return _run(desk, yes, no_input, reason or ASKED, further)


def _require_one(kinds: dict[str, bool]) -> None:
    given = [name for name, is_given in kinds.items() if is_given]
    if len(given) > 1:
        raise UsageError(
            f"rollback {' '.join(given)}: these exclude each other", hint="emonk-ops rollback -h"
        )


def resume(desk: Desk, reason: options.Reason = "") -> ExitCode:
    """Lift the hold that a rollback left, saying why it may go on."""
    from emonk_ops.rollout.hold import lift

    desk.show_header()
    lifted = lift(desk.book, reason=reason, env=desk.env.name)
    if lifted is None:
        desk.screen.line("already so: there is no hold")
    else:
        desk.screen.line(f"the hold is lifted ({lifted.reason})")
    hint = f"emonk-ops status --env {desk.env.name}"
    return desk.answer({"lifted": lifted is not None}, hint=hint)


def _plan(desk: Desk, further: bool) -> ExitCode:
    from emonk_ops.cli.consent import show_steps
    from emonk_ops.rollout.plan import preview_all
    from emonk_ops.rollout.rollback import plan_rollback

    desk.show_header()
    standing = desk.book.standing()
    tools = desk.toolbox()
    planned = plan_rollback(standing, tools, desk.with_.load_stage, further=further)
    if planned.capture is None:
        desk.screen.line(f"nothing left to roll back: {planned.why_nothing}")
        return desk.answer({"stage": None, "steps": []})
    capture = planned.capture
    desk.screen.line(
        f"plan of the rollback of stage {capture.stage}, to what was found at "
        f"{capture.at:%Y-%m-%d %H:%M:%S}Z"
    )
    show_steps(desk, tools, planned.steps)
    steps = [one.to_data() for one in preview_all(planned.steps, tools)] if desk.json else []
    hint = f"emonk-ops rollback --env {desk.env.name}"
    return desk.answer({"stage": capture.stage, "steps": steps}, hint=hint)


def _run(desk: Desk, yes: bool, no_input: bool, reason: str, further: bool) -> ExitCode:
    from emonk_ops.cli.consent import consent, require_flag
    from emonk_ops.cli.reports import finish_rollback
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.rollback import plan_rollback, roll_back

    desk.show_header()
    require_flag(desk, yes=yes, no_input=no_input, what="rollback")
    standing = desk.book.standing()
    screen = screen_for(desk)
    tools = desk.toolbox(waits=True, say=lambda line: screen.notice(Noted(line)))
    load = desk.with_.load_stage
    planned = plan_rollback(standing, tools, load, further=further)
    report = None
    if planned.capture is not None:
        desk.screen.line(f"rollback of stage {planned.capture.stage}")
        consent(desk, tools, screen, yes=yes, no_input=no_input)(planned.steps)
        with screen.showing():
            report = roll_back(tools, desk.book, load, screen, reason=reason, further=further)
    if report is None:
        desk.screen.line(f"already so: nothing left to roll back ({planned.why_nothing})")
        return desk.answer({"stage": None}, hint=f"emonk-ops status --env {desk.env.name}")
    return finish_rollback(desk, report)

"""`emonk-ops rollback --to STAGE`: several stages back in one run."""

from __future__ import annotations

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode


def plan_to(desk: Desk, to: int) -> ExitCode:
    from emonk_ops.cli.consent import show_steps
    from emonk_ops.rollout.plan import preview_all
    from emonk_ops.rollout.rollback import plan_all

    desk.show_header()
    tools = desk.toolbox()
    plans = plan_all(desk.book.standing(), tools, desk.with_.load_stage, to=to)
    if not plans:
        desk.screen.line(f"nothing left to roll back: stage {to} is the last that holds")
    shown = []
    for plan in plans:
        capture = plan.capture
        assert capture is not None
        desk.screen.line(
            f"plan of the rollback of stage {capture.stage}, to what was found at "
            f"{capture.at:%Y-%m-%d %H:%M:%S}Z"
        )
        show_steps(desk, tools, plan.steps)
        steps = [one.to_data() for one in preview_all(plan.steps, tools)] if desk.json else []
        shown.append({"stage": capture.stage, "steps": steps})
    hint = f"emonk-ops rollback --to {to} --env {desk.env.name}"
    return desk.answer({"to": to, "stages": shown}, hint=hint)


def roll_back_to(desk: Desk, to: int, *, yes: bool, no_input: bool, reason: str) -> ExitCode:
    from emonk_ops.cli.consent import consent, require_flag
    from emonk_ops.cli.reports import finish_rollback
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.rollback import plan_all, roll_back

    desk.show_header()
    require_flag(desk, yes=yes, no_input=no_input, what=f"rollback --to {to}")
    screen = screen_for(desk)
    tools = desk.toolbox(waits=True, say=lambda line: screen.notice(Noted(line)))
    load = desk.with_.load_stage
    plans = plan_all(desk.book.standing(), tools, load, to=to)
    report = None
    if plans:
        stages = ", ".join(str(plan.capture.stage) for plan in plans if plan.capture)
        desk.screen.line(f"rollback to stage {to}: undoes stage {stages}")
        steps = tuple(step for plan in plans for step in plan.steps)
        consent(desk, tools, screen, yes=yes, no_input=no_input)(steps)
        with screen.showing():
            report = roll_back(tools, desk.book, load, screen, reason=reason, to=to)
    if report is None:
        desk.screen.line(f"already so: stage {to} is the last that holds")
        return desk.answer({"stage": None}, hint=f"emonk-ops status --env {desk.env.name}")
    return finish_rollback(desk, report, again=f"rollback --to {to}")

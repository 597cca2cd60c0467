"""`emonk-ops rollback --partial`: out of Firestore, and what that loses, said first."""

from __future__ import annotations

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

AGAIN = "rollback --partial"


def partial(desk: Desk, *, plan: bool, yes: bool, no_input: bool, reason: str) -> ExitCode:
    from emonk_ops.cli.consent import consent, require_flag, show_steps
    from emonk_ops.cli.reports import finish_rollback
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.operations import partial as operation
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.partial import require_cutover, roll_back_partly

    desk.show_header()
    name = desk.env.name
    require_cutover(desk.book.standing(), name)
    steps = operation.steps(desk.env)
    if not plan:
        require_flag(desk, yes=yes, no_input=no_input, what=AGAIN)
    screen = screen_for(desk)
    tools = desk.toolbox(waits=not plan, say=lambda line: screen.notice(Noted(line)))
    loss = operation.loss(tools)
    desk.screen.line(f"{'! ' if loss.lossy else '  '}{loss.sentence}")
    lost = {"lossy": loss.lossy, "loss": loss.sentence, **loss.facts}
    if plan:
        show_steps(desk, tools, steps)
        data = {"stage": 4, "steps": [step.id for step in steps], **lost}
        return desk.answer(data, hint=f"emonk-ops {AGAIN} --env {name}")
    consent(desk, tools, screen, yes=yes, no_input=no_input)(steps)
    with screen.showing():
        report = roll_back_partly(tools, desk.book, screen, reason=reason or loss.sentence)
    return finish_rollback(desk, report, again=AGAIN, how="partly rolled back", more=lost)

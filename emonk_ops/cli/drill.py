"""`emonk-ops rollback drill`: the way back, rehearsed and timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.rollout.drill import DrillReport


def drill(desk: Desk, *, plan: bool, yes: bool, no_input: bool, reason: str) -> ExitCode:
    """Back to what stage 4 found and forth again; its time opens a gate of what comes after."""
    from emonk_ops.cli.consent import consent, is_production, require_flag, show_steps
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.rollout.drill import refusal, rehearse_rollback, steps_back
    from emonk_ops.rollout.events import Noted

    desk.show_header()
    name = desk.env.name
    if refused := refusal(name, is_production(name)):
        raise refused
    standing = desk.book.standing()
    steps = steps_back(desk.toolbox(), standing, desk.with_.load_stage)
    hint = f"emonk-ops rollback drill --env {name}"
    if plan:
        desk.screen.line("a drill would do this, and then stage 4 again:")
        show_steps(desk, desk.toolbox(), steps)
        return desk.answer({"steps": [step.id for step in steps]}, hint=hint)
    require_flag(desk, yes=yes, no_input=no_input, what="rollback drill")
    screen = screen_for(desk)
    tools = desk.toolbox(waits=True, say=lambda line: screen.notice(Noted(line)))
    consent(desk, tools, screen, yes=yes, no_input=no_input)(steps)
    with screen.showing():
        report = rehearse_rollback(tools, desk.book, desk.with_.load_stage, screen, reason)
    return _finish(desk, report)


def _finish(desk: Desk, report: DrillReport) -> ExitCode:
    name = desk.env.name
    data = {
        "ok": not report.why,
        "why": report.why,
        "back_seconds": round(report.back_seconds, 3),
        "forth_seconds": round(report.forth_seconds, 3),
        "steps": {
            way: [
                {
                    "id": one.step.id,
                    "seconds": round(one.seconds, 3),
                    "budget_seconds": one.step.budget_seconds,
                }
                for one in outcomes
            ]
            for way, outcomes in (("back", report.back), ("forth", report.forth))
        },
    }
    if report.why:
        desk.screen.line(f"DRILL FAILED: {report.why}")
        again = "rollback drill" if report.went_back else "rollback"
        return desk.answer(data, code=report.exit_code, hint=f"emonk-ops {again} --env {name}")
    desk.screen.line(
        f"DONE: back in {report.back_seconds:.1f} s, forth again in {report.forth_seconds:.1f} s; "
        f"{name} is where it was"
    )
    return desk.answer(data, hint=f"emonk-ops status --env {name}")

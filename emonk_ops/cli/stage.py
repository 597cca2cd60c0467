"""`emonk-ops stage N`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from emonk_ops.cli import options
from emonk_ops.cli.command import command, confirmations, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode

NUMBERS = range(6)
TITLES = (
    "pre-deployment validation",
    "deploy with both paths",
    "enable Cloud Scheduler",
    "shadow mode",
    "production cutover",
    "cleanup of the legacy path",
)


class StageGroup(TyperGroup):
    """Says which stages exist when there is no such one."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in self.commands:
            from emonk_ops.rollout.registry import absent, stage_modules

            error = absent(args[0], stage_modules())
            typer.echo(f"{error.code}: {error.message}\nnext: {error.hint}", err=True)
            raise typer.Exit(int(error.exit_code))
        return super().resolve_command(ctx, args)


Force = Annotated[
    bool, typer.Option("--force", help="Pass a closed gate or a hold, for the --reason given.")
]
stage_app = group("Run a stage of the rollout.", cls=StageGroup)


def _register(number: int) -> None:
    @command(
        stage_app,
        str(number),
        title=f"stage {number}",
        help_text=f"Stage {number}: {TITLES[number]}.",
    )
    def stage(
        desk: Desk,
        plan: options.Plan = False,
        wait: options.Wait = True,
        yes: options.Yes = False,
        no_input: options.NoInput = False,
        confirm: options.Confirm = None,
        junit: options.Junit = None,
        reason: options.Reason = "",
        force: Force = False,
    ) -> ExitCode:
        if plan:
            return _plan(desk, number)
        words = confirmations(confirm)
        return _run(desk, number, wait, yes, no_input, words, junit, reason, force)


for _number in NUMBERS:
    _register(_number)


def _plan(desk: Desk, number: int) -> ExitCode:
    from emonk_ops.cli.plan_screen import show_plan
    from emonk_ops.rollout.plan import plan_stage

    stage = desk.with_.load_stage(number)
    desk.show_header()
    standing = desk.book.standing()
    planned = plan_stage(stage, desk.toolbox(), standing)
    show_plan(desk.screen, planned)
    again = f"emonk-ops stage {number} --env {desk.env.name}"
    hint = again if planned.closed is None else planned.closed.hint
    return desk.answer({"plan": planned.to_data()}, code=planned.exit_code, hint=hint)


def _run(
    desk: Desk,
    number: int,
    wait: bool,
    yes: bool,
    no_input: bool,
    words: dict[str, str],
    junit: Path | None,
    reason: str,
    force: bool,
) -> ExitCode:
    from emonk_ops.cli.consent import consent, require_flag, word_asker
    from emonk_ops.cli.reports import finish_stage
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.rollout.checks import Words
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.runner import Options, run_stage

    stage = desk.with_.load_stage(number)
    desk.show_header()
    if stage.plan(desk.env):
        require_flag(desk, yes=yes, no_input=no_input, what=f"stage {number}")
    screen = screen_for(desk)
    tools = desk.toolbox(waits=wait, say=lambda line: screen.notice(Noted(line)))
    chosen = Options(
        words=Words(words, word_asker(desk, screen, no_input)),
        reason=reason,
        force=force,
        consent=consent(desk, tools, screen, yes=yes, no_input=no_input),
    )
    with screen.showing():
        report = run_stage(stage, tools, desk.book, chosen, screen)
    return finish_stage(desk, report, junit)

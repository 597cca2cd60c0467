"""`emonk-ops stage N`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from emonk_ops.cli import options
from emonk_ops.cli import source as given
from emonk_ops.cli.command import command, confirmations, group
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode
from emonk_ops.operations.legacy_source.model import JsonStorage, LoopTests

if TYPE_CHECKING:
    from emonk_ops.rollout.model import Stage

NUMBERS = range(6)
CLEANUP = 5
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
        stage = desk.with_.load_stage(number)
        if plan:
            return _plan(desk, stage)
        words = confirmations(confirm)
        return _run(desk, stage, wait, yes, no_input, words, junit, reason, force)


for _number in NUMBERS[:CLEANUP]:
    _register(_number)


@command(stage_app, str(CLEANUP), title=f"stage {CLEANUP}")
def stage_5(
    desk: Desk,
    source: given.MaybeFolder = None,
    apply: given.Apply = False,
    json_storage: given.Storage = JsonStorage.keep,
    tests: given.OwnTests = LoopTests.keep,
    docs: given.Docs = None,
    plan: options.Plan = False,
    wait: options.Wait = True,
    yes: options.Yes = False,
    no_input: options.NoInput = False,
    confirm: options.Confirm = None,
    junit: options.Junit = None,
    reason: options.Reason = "",
    force: Force = False,
) -> ExitCode:
    """Stage 5: cleanup of the legacy path. --source DIR alone shows the patch of its source."""
    from emonk_ops.operations.legacy_source.model import Options

    given.require_apply(source, apply)
    stage = desk.with_.load_stage(CLEANUP)
    if source is not None:
        wanted = Options(json_storage, tests, tuple(docs or ()))
        clean = given.clean_source(desk, source, wanted, desk.env)
        if not apply and not plan:
            again = f"emonk-ops stage {CLEANUP} --env {desk.env.name} --source {source} --apply"
            patch = clean.patch()
            given.show_patch(desk, patch, diff=True)
            return given.answer_patch(desk, patch, again)
        from emonk_ops.stages.stage5_cleanup import with_source

        stage = with_source(clean)
    if plan:
        return _plan(desk, stage)
    words = confirmations(confirm)
    along = f" --source {source} --apply" if source is not None else ""
    return _run(desk, stage, wait, yes, no_input, words, junit, reason, force, along)


def _plan(desk: Desk, stage: Stage) -> ExitCode:
    from emonk_ops.cli.plan_screen import show_plan
    from emonk_ops.rollout.plan import plan_stage

    desk.show_header()
    standing = desk.book.standing()
    planned = plan_stage(stage, desk.toolbox(), standing)
    show_plan(desk.screen, planned)
    again = f"emonk-ops stage {stage.number} --env {desk.env.name}"
    hint = again if planned.closed is None else planned.closed.hint
    return desk.answer({"plan": planned.to_data()}, code=planned.exit_code, hint=hint)


def _run(
    desk: Desk,
    stage: Stage,
    wait: bool,
    yes: bool,
    no_input: bool,
    words: dict[str, str],
    junit: Path | None,
    reason: str,
    force: bool,
    typed_along: str = "",
) -> ExitCode:
    from emonk_ops.cli.consent import consent, require_flag, word_asker
    from emonk_ops.cli.reports import finish_stage
    from emonk_ops.cli.screens import screen_for
    from emonk_ops.rollout.checks import Words
    from emonk_ops.rollout.events import Noted
    from emonk_ops.rollout.runner import Options, run_stage

    desk.show_header()
    if stage.plan(desk.env):
        require_flag(desk, yes=yes, no_input=no_input, what=f"stage {stage.number}")
    screen = screen_for(desk)
    tools = desk.toolbox(waits=wait, say=lambda line: screen.notice(Noted(line)))
    chosen = Options(
        words=Words(words, word_asker(desk, screen, no_input)),
        reason=reason,
        force=force,
        typed_along=typed_along,
        consent=consent(desk, tools, screen, yes=yes, no_input=no_input),
    )
    with screen.showing():
        report = run_stage(stage, tools, desk.book, chosen, screen)
    return finish_stage(desk, report, junit)

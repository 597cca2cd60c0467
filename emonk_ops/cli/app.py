"""The commands, put together. Modules mounted here import Typer and nothing heavy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from emonk_ops.cli import (
    config,
    help_topics,
    history,
    init,
    lock,
    logs,
    rehearse,
    rollback,
    sandbox,
    scheduler,
    stage,
    status,
)
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.command import HELP_NAMES, group

JournalListener = Callable[[str, int], None]


def build() -> typer.Typer:
    app = group(
        "Moves a Cloud Run service's scheduled jobs to Cloud Scheduler, stage by stage, "
        "with evidence and rollback."
    )
    app.callback()(_root)
    app.add_typer(stage.stage_app, name="stage")
    for module in (rollback, status, history, init):
        module.register(app)
    app.add_typer(logs.logs_app, name="logs")
    app.add_typer(scheduler.scheduler_app, name="scheduler")
    app.add_typer(lock.lock_app, name="lock")
    app.add_typer(config.config_app, name="config")
    app.add_typer(help_topics.help_app, name="help")
    app.command("rehearse", context_settings=HELP_NAMES)(rehearse.rehearse)
    app.add_typer(sandbox.sandbox_app, name="sandbox")
    return app


def run(argv: list[str], *, journal_listener: JournalListener | None = None) -> None:
    """Run one command; ends the process with its exit code."""
    with_ = Collaborators(journal_listener=journal_listener, argv=tuple(argv))
    build()(args=argv, prog_name="emonk-ops", obj=with_)


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if version:
        from importlib.metadata import version as version_of

        typer.echo(f"emonk-ops {version_of('emonk-ops')}")
        raise typer.Exit

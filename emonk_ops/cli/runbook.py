"""`emonk-ops runbook`: the runbook with this environment's names."""

from __future__ import annotations

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode


def register(app: typer.Typer) -> None:
    command(app, "runbook")(runbook)


def runbook(desk: Desk) -> ExitCode:
    """Print the runbook as Markdown: symptoms, causes, commands, whom to call."""
    from emonk_ops.operations.diagnosing.runbook import runbook as document

    text = document(desk.env)
    if desk.json:
        return desk.answer({"markdown": text})
    desk.out.write(text)
    return ExitCode.DONE

"""`emonk-ops history`."""

from __future__ import annotations

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode


def register(app: typer.Typer) -> None:
    command(app, "history")(history)


def history(desk: Desk, limit: options.Limit = 50) -> ExitCode:
    """The journal: who did what, when, why, with what result."""
    from emonk_ops.rollout.history import chapters

    desk.show_header()
    told = chapters(desk.book.journal.records())[-limit:]
    for chapter in told:
        for line in chapter.lines():
            desk.screen.line(line)
    if not told:
        desk.screen.line("nothing is recorded yet")
    return desk.answer({"runs": [chapter.to_data() for chapter in told]})

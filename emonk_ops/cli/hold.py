"""`emonk-ops hold`."""

from __future__ import annotations

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode


def register(app: typer.Typer) -> None:
    command(app, "hold")(hold)


def hold(desk: Desk, reason: options.Reason = "") -> ExitCode:
    """Let nothing go forward until `resume`, saying why."""
    from emonk_ops.rollout.hold import put_on_hold

    desk.show_header()
    before = put_on_hold(desk.book, reason=reason)
    name = desk.env.name
    if before is not None:
        desk.screen.line(
            f"already so: on hold since {before.since:%Y-%m-%d %H:%M:%S}Z: {before.reason}"
        )
    else:
        desk.screen.line(f"{name} is on hold: {reason}")
    hint = f'emonk-ops resume --env {name} --reason "why it may go on"'
    if before is not None and not before.complete:
        hint = f"emonk-ops rollback --env {name}"
    return desk.answer({"set": before is None}, hint=hint)

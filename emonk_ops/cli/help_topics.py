"""`emonk-ops help exit-codes|reference`."""

from __future__ import annotations

import typer

from emonk_ops.cli.command import HELP_NAMES, group
from emonk_ops.errors import EXIT_CODE_MEANINGS, EXIT_CODE_PRECEDENCE

help_app = group("Things worth knowing.")


@help_app.command("exit-codes", context_settings=HELP_NAMES)
def exit_codes() -> None:
    """What the exit codes mean."""
    for code, meaning in EXIT_CODE_MEANINGS.items():
        typer.echo(f"{int(code):4}  {meaning}")
    order = ", ".join(str(int(code)) for code in EXIT_CODE_PRECEDENCE)
    typer.echo(f"When several apply, the first of these wins: {order}")


@help_app.command("reference", context_settings=HELP_NAMES)
def command_reference(ctx: typer.Context) -> None:
    """Every command with its options and defaults, as Markdown."""
    from emonk_ops.cli.reference import reference

    for line in reference(ctx.find_root().command):
        typer.echo(line)

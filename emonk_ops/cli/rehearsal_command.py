"""Mounts `emonk-ops rehearse`."""

from __future__ import annotations

import typer

from emonk_ops.cli.command import HELP_NAMES
from emonk_ops.cli.rehearse import rehearse


def register(app: typer.Typer) -> None:
    app.command("rehearse", context_settings=HELP_NAMES)(rehearse)

"""`emonk-ops retrospective`: what there is to learn from a rollout, as Markdown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emonk_ops.cli.command import command, folder_of
from emonk_ops.cli.desk import Desk, header
from emonk_ops.errors import ExitCode, UsageError

Out = Annotated[Path | None, typer.Option("--out", help="Write it here instead of showing it.")]


def register(app: typer.Typer) -> None:
    command(app, "retrospective")(retrospective)


def retrospective(desk: Desk, out: Out = None) -> ExitCode:
    """What there is to learn: four lessons from the journal, each sentence with its evidence."""
    from emonk_ops.rollout import retrospective as rollout

    env = desk.env
    # Where the document goes to a pipe, it is all that goes there.
    desk.err.line(header(env))
    found = rollout.retrospective(
        desk.book.journal.records(), env=env.name, service=env.service.name
    )
    text = found.markdown()
    data = {**found.to_data(), "markdown": text, "out": str(out or "")}
    if out is not None:
        _write(out, text)
        desk.err.line(f"wrote {out}")
    elif not desk.json:
        _show(desk, text)
    return desk.answer(data)


def _write(path: Path, text: str) -> None:
    try:
        folder_of(path)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}", hint="--out another file"
        ) from error


def _show(desk: Desk, text: str) -> None:
    from emonk_ops.cli.screens import is_lively

    if not is_lively(desk):
        desk.out.write(text)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text))

"""`emonk-ops init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.command import HELP_NAMES, answered
from emonk_ops.cli.desk import Aim, Desk
from emonk_ops.errors import ExitCode, Refused

Sandbox = Annotated[
    bool, typer.Option("--sandbox", help="For the sandbox, with a small service of your own.")
]
ServiceSource = Annotated[
    Path | None,
    typer.Option(
        "--service-source",
        metavar="DIR",
        help="Write the bundled service's source there instead, to change and build as yours.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is there.")]
SHOWN = 8
Json = Annotated[bool, typer.Option("--json", help="One JSON envelope on stdout.")]


def register(app: typer.Typer) -> None:
    app.command("init", context_settings=HELP_NAMES)(init)


def init(
    ctx: typer.Context,
    sandbox: Sandbox = False,
    service_source: ServiceSource = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write a documented emonk-ops.toml here; with --sandbox a service to rehearse with, too."""
    with_ = ctx.obj if isinstance(ctx.obj, Collaborators) else Collaborators()
    desk = Desk("init", Aim(), json, with_)
    raise typer.Exit(int(answered(desk, lambda: _init(desk, sandbox, service_source, force))))


def _init(desk: Desk, sandbox: bool, service_source: Path | None, force: bool) -> ExitCode:
    if service_source is not None:
        from emonk_ops.scaffold.service_source import source_files

        files = source_files()
        return _write(desk, service_source, files, force, f"cd {service_source} && git init")
    from emonk_ops.settings import Target
    from emonk_ops.settings_file import FILE_NAME
    from emonk_ops.settings_sample import sample

    files = {FILE_NAME: sample(Target.SANDBOX if sandbox else Target.GCP)}
    if sandbox:
        from emonk_ops.scaffold import service_files

        files.update(service_files())
    hint = "emonk-ops stage 0 --env qa" if sandbox else "fill in the projects, then config check"
    return _write(desk, Path.cwd(), files, force, hint)


def _write(desk: Desk, folder: Path, files: dict[str, str], force: bool, hint: str) -> ExitCode:
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise Refused(
            f"already there in {folder}: {', '.join(there[:SHOWN])}",
            hint="emonk-ops config check reads it; init --force overwrites",
        )
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name in list(files)[:SHOWN]:
        desk.screen.line(f"wrote {name}")
    if len(files) > SHOWN:
        desk.screen.line(f"wrote {len(files) - SHOWN} more")
    return desk.answer({"folder": str(folder), "wrote": list(files)}, hint=hint)

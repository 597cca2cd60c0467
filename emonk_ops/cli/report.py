"""`emonk-ops report`: the rollout told for those who were not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Refused

if TYPE_CHECKING:
    from emonk_ops.reporting.told.subject import Subject

Out = Annotated[
    Path | None,
    typer.Option("--out", help="The folder to write (default: emonk-report-ENV, here)."),
]
Also = Annotated[
    list[str] | None,
    typer.Option("--also", metavar="ENV", help="A further environment in the same report."),
]


def register(app: typer.Typer) -> None:
    command(app, "report")(report)


def report(desk: Desk, out: Out = None, also: Also = None) -> ExitCode:
    """A page, Markdown, plots and verdicts of a rollout, from its journal and evidence."""
    from emonk_ops.reporting.folder import write_report

    names = dict.fromkeys((desk.env.name, *(also or ())))
    folder = (out or Path(f"emonk-report-{'-'.join(names)}")).absolute()
    desk.show_header()
    subjects = [subject_of(_desk_of(desk, name)) for name in names]
    if not any(one.records for one in subjects):
        raise Refused(
            f"nothing is recorded yet in {', '.join(names)}: there is no rollout to report",
            hint=f"emonk-ops stage 0 --env {desk.env.name}",
        )
    paths = write_report(subjects, folder)
    records = sum(len(one.records) for one in subjects)
    desk.screen.line(f"{folder}: {len(paths)} files, from {records} records")
    page, *others = (str(path) for path in paths)
    data = {"folder": str(folder), "page": page, "files": [page, *others], "records": records}
    return desk.answer(data, hint=f"open {page} in a browser")


def subject_of(desk: Desk) -> Subject:
    """An environment's journal and evidence. Raises StateDamaged for a damaged journal."""
    from emonk_ops.reporting.told.subject import Subject

    env = desk.env
    return Subject(
        env=env.name,
        target=str(env.target),
        project=env.project,
        service=env.service.name,
        records=desk.book.journal.records(),
        evidence=desk.state.evidence(),
    )


def _desk_of(desk: Desk, name: str) -> Desk:
    if name == desk.env.name:
        return desk
    return Desk(desk.command, replace(desk.aim, env=name), desk.json, desk.with_)

"""The source of a service on the command line: its options, its patch on the screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Refused, UsageError
from emonk_ops.operations.legacy_source.model import JsonStorage, LoopTests, Options

if TYPE_CHECKING:
    from emonk_ops.operations.clean_source import Source
    from emonk_ops.operations.legacy_source.model import Patch, Place
    from emonk_ops.settings import Environment

Folder = Annotated[Path, typer.Option("--source", help="The folder of the service's source.")]
MaybeFolder = Annotated[
    Path | None, typer.Option("--source", help="Also clean up the service's source in this folder.")
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Write it on a new branch and run the service's tests.")
]
Storage = Annotated[
    JsonStorage,
    typer.Option("--json-storage", help="remove: Firestore becomes the default of the settings."),
]
OwnTests = Annotated[
    LoopTests,
    typer.Option("--tests", help="remove: also the tests that only test the removed path."),
]
Docs = Annotated[
    list[str] | None,
    typer.Option(
        "--docs", metavar="GLOB", help="Markdown to mark as deprecated; else what tells the loop."
    ),
]


def clean_source(desk: Desk, folder: Path, wanted: Options, env: Environment | None) -> Source:
    """The README's section names the environment's service, where there is one."""
    from emonk_ops.operations.clean_source import Source
    from emonk_ops.wiring import commands_of

    if env is not None:
        wanted = replace(wanted, service=env.service, cadence=env.cadence)
    return Source(folder, commands_of, wanted, desk.interruption.shield)


def require_apply(folder: Path | None, apply: bool) -> None:
    """Raises UsageError for `--apply` of nothing."""
    if apply and folder is None:
        raise UsageError("--apply without --source: there is nothing to write", hint="--source DIR")


def show_patch(desk: Desk, patch: Patch, *, diff: bool) -> None:
    if patch.empty and not patch.refused:
        desk.screen.line("already so: the source has no legacy path")
    for title, places in (
        ("goes or changes", () if patch.refused else patch.removed),
        ("look at", patch.warnings),
        ("still names the legacy flags, for you to change", patch.left),
        ("refused", patch.refusals),
        ("refused, in tests", patch.test_refusals),
    ):
        _list(desk, title, places)
    if diff and not desk.json and not patch.refused:
        desk.out.write(patch.diff())


def _list(desk: Desk, title: str, places: tuple[Place, ...]) -> None:
    if places:
        desk.screen.line(f"{title}:")
    for place in places:
        desk.screen.line(f"  {place}")


def answer_patch(desk: Desk, patch: Patch, again: str) -> ExitCode:
    """What was only shown. `again` is the command that writes it. Raises Refused."""
    if patch.refused:
        return _refuse(desk, patch)
    return desk.answer({**patch.to_dict(), "applied": False}, hint="" if patch.empty else again)


def _refuse(desk: Desk, patch: Patch) -> ExitCode:
    only_tests = not patch.refusals
    error = Refused(
        f"nothing was changed: {len(patch.refusals)} places in the source and "
        f"{len(patch.test_refusals)} in its tests are in the way, each named above",
        hint="change them by hand; --tests remove takes tests that only test the removed path"
        if only_tests
        else "change these lines by hand, then emonk-ops cleanup --source DIR --plan",
    )
    if desk.json:
        return desk.answer(
            {**patch.to_dict(), "applied": False}, code=ExitCode.REFUSED, errors=(error,)
        )
    raise error

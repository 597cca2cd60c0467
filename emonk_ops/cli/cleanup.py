"""`emonk-ops cleanup`: the patch that takes the legacy path out of a service's source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, Refused, UsageError
from emonk_ops.operations.legacy_source.model import JsonStorage, LoopTests

if TYPE_CHECKING:
    from emonk_ops.operations.legacy_source.applying import Applied
    from emonk_ops.operations.legacy_source.model import Options, Patch, Place
    from emonk_ops.settings import Environment

Source = Annotated[Path, typer.Option("--source", help="The folder of the service's source.")]
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
NEXT = "emonk-ops cleanup --source DIR --apply"


def register(app: typer.Typer) -> None:
    command(app, "cleanup")(cleanup)


def cleanup(
    desk: Desk,
    source: Source,
    plan: options.Plan = False,
    apply: Apply = False,
    json_storage: Storage = JsonStorage.keep,
    tests: OwnTests = LoopTests.keep,
    docs: Docs = None,
) -> ExitCode:
    """Remove the in-process loop from a service's source: shown as a patch, or written."""
    from emonk_ops.operations.legacy_source.model import Options
    from emonk_ops.operations.legacy_source.patching import make_patch

    if plan and apply:
        raise UsageError("--plan and --apply exclude each other", hint="Leave one away")
    env = _environment(desk, source)
    wanted = Options(json_storage, tests, tuple(docs or ()))
    patch = make_patch(source, _named_after(wanted, env))
    _show(desk, patch, diff=not apply)
    if patch.refused:
        return _refuse(desk, patch)
    if not apply:
        hint = "" if patch.empty else NEXT.replace("DIR", str(source))
        return desk.answer({**patch.to_dict(), "applied": False}, hint=hint)
    return _report(desk, patch, _apply(desk, patch, source, env))


def _environment(desk: Desk, source: Path) -> Environment | None:
    """That of the settings file beside or above the source; None where there is no such file."""
    from emonk_ops.settings_file import find_settings, read_settings

    try:
        path = find_settings(source, desk.environ, desk.aim.config)
    except UsageError:
        if desk.aim.config or desk.environ.get("EMONK_CONFIG") or desk.aim.env:
            raise
        return None
    settings = read_settings(path, desk.environ)
    usual = "production" if "production" in settings.names else settings.names[-1:]
    named = desk.aim.env or desk.environ.get("EMONK_ENV") or "".join(usual)
    return settings.environment(named)


def _named_after(wanted: Options, env: Environment | None) -> Options:
    from dataclasses import replace

    return wanted if env is None else replace(wanted, service=env.service, cadence=env.cadence)


def _show(desk: Desk, patch: Patch, *, diff: bool) -> None:
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


def _apply(desk: Desk, patch: Patch, source: Path, env: Environment | None) -> Applied:
    from emonk_ops.operations.legacy_source import applying, trials
    from emonk_ops.operations.legacy_source.repository_tree import WorkTree
    from emonk_ops.settings import CommandSettings
    from emonk_ops.wiring import commands_of

    tree = WorkTree(commands_of(CommandSettings(directory=source, timeout_seconds=60)), source)
    found = () if env is None else trials.of(env.commands, commands_of(env.commands), tree)
    return applying.apply(
        patch, source, tree, found, say=desk.screen.line, shield=desk.interruption.shield
    )


def _report(desk: Desk, patch: Patch, done: Applied) -> ExitCode:
    from emonk_ops.rollout.model import Verdict

    for name, finding in done.trials:
        desk.screen.line(f"  {finding.verdict:12} {name}: {finding.summary}")
    data = {
        **patch.to_dict(),
        "applied": done.kept and bool(done.files),
        "branch": done.branch if done.kept else "",
        "tests": [
            {"setting": name, "verdict": str(finding.verdict), "summary": finding.summary}
            for name, finding in done.trials
        ],
    }
    if done.kept:
        if done.files:
            desk.screen.line(f"written on the branch {done.branch}, not committed")
            if not done.trials:
                desk.screen.line("no tests ran: there is no emonk-ops.toml that names them")
        return desk.answer(
            data, hint="git diff, then git add -A && git commit" if done.files else ""
        )
    desk.screen.line("everything was put back: the service's tests did not pass with the patch")
    failed = any(finding.verdict is Verdict.FAIL for _, finding in done.trials)
    return desk.answer(
        data,
        code=ExitCode.CHECK_FAILED if failed else ExitCode.INCONCLUSIVE,
        hint="emonk-ops cleanup --source DIR --plan shows the patch",
    )

"""`emonk-ops cleanup`: the patch that takes the legacy path out of a service's source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from emonk_ops.cli import options
from emonk_ops.cli import source as given
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode, UsageError
from emonk_ops.operations.legacy_source.model import JsonStorage, LoopTests, Options

if TYPE_CHECKING:
    from emonk_ops.operations.legacy_source.applying import Applied
    from emonk_ops.operations.legacy_source.model import Patch
    from emonk_ops.settings import Environment


def register(app: typer.Typer) -> None:
    command(app, "cleanup")(cleanup)


def cleanup(
    desk: Desk,
    source: given.Folder,
    plan: options.Plan = False,
    apply: given.Apply = False,
    json_storage: given.Storage = JsonStorage.keep,
    tests: given.OwnTests = LoopTests.keep,
    docs: given.Docs = None,
) -> ExitCode:
    """Remove the in-process loop from a service's source: shown as a patch, or written."""
    if plan and apply:
        raise UsageError("--plan and --apply exclude each other", hint="Leave one away")
    env = _environment(desk, source)
    wanted = Options(json_storage, tests, tuple(docs or ()))
    clean = given.clean_source(desk, source, wanted, env)
    if apply:
        clean.mend(desk.screen.line)
    patch = clean.patch()
    given.show_patch(desk, patch, diff=not apply)
    if patch.refused or not apply:
        return given.answer_patch(desk, patch, f"emonk-ops cleanup --source {source} --apply")
    commands = None if env is None else env.commands
    return _report(desk, patch, clean.apply(patch, commands, desk.screen.line))


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

"""`emonk-ops diagnose [ISSUE]`: the guide's runbook, measured."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.diagnosed import lines_of, plain
from emonk_ops.cli.durations import parsed
from emonk_ops.cli.staying import Minutes
from emonk_ops.errors import ExitCode, OpsError, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.operations.diagnosing.model import Issue
    from emonk_ops.toolbox import Toolbox

STAGE_4 = 4
LEAST_SECONDS = 60.0
Asked = Annotated[
    str,
    typer.Argument(
        metavar="[ISSUE]",
        help="jobs-not-executing, duplicate-execution, not-triggering or high-latency; else all.",
    ),
]
Fix = Annotated[
    bool, typer.Option("--fix", help="Do what is safe at once: shown, asked, recorded.")
]
Bundle = Annotated[
    Path | None, typer.Option("--bundle", help="Write a support bundle (.tar.gz) here.")
]
Window = Annotated[str, typer.Option("--window", help="How far back, e.g. 30m, 1h, 24h.")]


def register(app: typer.Typer) -> None:
    command(app, "diagnose")(diagnose)


def diagnose(
    desk: Desk,
    issue: Asked = "",
    window: Window = "1h",
    fix: Fix = False,
    watch: options.Watch = False,
    minutes: Minutes = None,
    bundle: Bundle = None,
    reason: options.Reason = "",
    yes: options.Yes = False,
    no_input: options.NoInput = False,
) -> ExitCode:
    """What is wrong: symptoms measured, causes with their evidence, the next command."""
    issues, seconds = issues_of(issue), seconds_of(window)
    if watch and (fix or bundle):
        raise UsageError("--watch only looks", hint="--fix or --bundle without --watch")
    desk.show_header()
    tools = desk.toolbox()
    if watch:
        from emonk_ops.cli.diagnose_watch import watch_for

        return watch_for(desk, tools, lambda: look(desk, tools, issues, seconds), minutes)
    found = look(desk, tools, issues, seconds)
    show(desk, found)
    more: dict[str, object] = {}
    if bundle is not None:
        from emonk_ops.cli.diagnose_bundle import write_bundle

        more["bundle"] = write_bundle(desk, tools, found, bundle)
    if fix:
        from emonk_ops.cli.diagnose_fix import fix as repair

        code, done, errors = repair(desk, tools, found, yes=yes, no_input=no_input, reason=reason)
        again = f"emonk-ops diagnose --env {desk.env.name}"
        return desk.answer({**plain(found), **more, **done}, code=code, errors=errors, hint=again)
    return answer(desk, found, more)


def look(desk: Desk, tools: Toolbox, issues: tuple[Issue, ...], seconds: float) -> Diagnosis:
    from emonk_ops.operations.diagnosing.diagnosis import diagnose as judged
    from emonk_ops.operations.diagnosing.seen import look as ask

    cut_over, repaired_at = _recorded(desk)
    return judged(ask(tools, seconds, cut_over=cut_over), issues, repaired_at=repaired_at)


def issues_of(text: str) -> tuple[Issue, ...]:
    """One by name, or all. Raises UsageError."""
    from emonk_ops.operations.diagnosing.model import Issue

    if not text:
        return tuple(Issue)
    try:
        return (Issue(text),)
    except ValueError:
        raise UsageError(
            f"there is no issue '{text}'", hint=f"One of: {', '.join(Issue)}; none for all"
        ) from None


def seconds_of(window: str) -> float:
    seconds = parsed(window)
    if seconds < LEAST_SECONDS:
        raise UsageError(f"--window {window} is too short to see a tick", hint="--window 1h")
    return seconds


def show(desk: Desk, found: Diagnosis) -> None:
    for line in lines_of(found):
        desk.screen.line(line)


def answer(desk: Desk, found: Diagnosis, more: Mapping[str, object]) -> ExitCode:
    hint = found.causes[0].command if found.causes else ""
    errors: tuple[OpsError, ...] = ()
    if found.code is ExitCode.CLOUD:
        errors = tuple(found.seen.blind.values())[:1]
        hint = hint or (errors[0].hint if errors else "")
    return desk.answer({**plain(found), **more}, code=found.code, errors=errors, hint=hint)


def _recorded(desk: Desk) -> tuple[bool, datetime | None]:
    """Whether stage 4 has passed, and when --fix last changed something.

    A journal that cannot be read says neither.
    """
    from emonk_ops.rollout.standing import REPAIRS

    try:
        standing = desk.book.standing()
    except OpsError:
        return False, None
    fixes = [one for one in standing.runs.values() if one.command == REPAIRS and one.changed]
    return STAGE_4 in standing.passed, max((one.started_at for one in fixes), default=None)

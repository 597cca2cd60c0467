"""`emonk-ops diagnose [ISSUE]`: the guide's runbook, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli.command import command
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.durations import parsed
from emonk_ops.errors import ExitCode, OpsError, UsageError

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.operations.diagnosing.model import Issue, Named
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
Window = Annotated[str, typer.Option("--window", help="How far back, e.g. 30m, 1h, 24h.")]


def register(app: typer.Typer) -> None:
    command(app, "diagnose")(diagnose)


def diagnose(desk: Desk, issue: Asked = "", window: Window = "1h") -> ExitCode:
    """What is wrong: symptoms measured, causes with their evidence, the next command."""
    issues, seconds = issues_of(issue), seconds_of(window)
    desk.show_header()
    found = look(desk, desk.toolbox(), issues, seconds)
    show(desk, found)
    return answer(desk, found)


def look(desk: Desk, tools: Toolbox, issues: tuple[Issue, ...], seconds: float) -> Diagnosis:
    from emonk_ops.operations.diagnosing.diagnosis import diagnose as judged
    from emonk_ops.operations.diagnosing.seen import look as ask

    return judged(ask(tools, seconds, cut_over=_cut_over(desk)), issues)


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
    """The conclusion first: who reads it may be half awake."""
    desk.screen.line(found.sentence)
    for number, one in enumerate(found.causes, 1):
        _show_cause(desk, number, one)
    desk.screen.line("measured:")
    for symptom, finding in found.symptoms:
        desk.screen.line(f"  {finding.verdict:12} {symptom.issue}: {finding.summary}")
    desk.screen.line(f"looked at: {found.looked_at}")
    for name, error in found.seen.blind.items():
        desk.screen.line(f"  not seen: {name}: {error.message}")


def answer(desk: Desk, found: Diagnosis) -> ExitCode:
    hint = found.causes[0].command if found.causes else ""
    errors: tuple[OpsError, ...] = ()
    if found.code is ExitCode.CLOUD:
        errors = tuple(found.seen.blind.values())[:1]
        hint = hint or (errors[0].hint if errors else "")
    return desk.answer(plain(found), code=found.code, errors=errors, hint=hint)


def plain(found: Diagnosis) -> dict[str, object]:
    from emonk_ops.rollout.redaction import redacted

    data: dict[str, object] = redacted(found.to_data())
    return data


def _show_cause(desk: Desk, number: int, one: Named) -> None:
    desk.screen.line(f"{number}. {one.cause.id}: {one.cause.sentence}")
    desk.screen.line(f"   evidence: {one.suspect.evidence}")
    desk.screen.line(f"   guide: {one.cause.resolution}")
    desk.screen.line(f"   see: {one.see}")
    desk.screen.line(f"   do: {one.command}")
    if one.cause.fix:
        desk.screen.line(f"   --fix does it: {one.cause.fix}")
    desk.screen.line(f"   over when: {one.over}")


def _cut_over(desk: Desk) -> bool:
    """Whether stage 4 has passed; an unreadable journal says nothing."""
    try:
        return STAGE_4 in desk.book.standing().passed
    except OpsError:
        return False

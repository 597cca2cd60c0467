"""The end of a stage or a rollback: last lines, envelope, JUnit, step summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emonk_ops.cli.desk import Desk
from emonk_ops.errors import ExitCode
from emonk_ops.rollout.report import RollbackReport, StageReport
from emonk_ops.rollout.statuses import status_of


def finish_stage(desk: Desk, report: StageReport, junit: Path | None) -> ExitCode:
    desk.screen.line(f"{status_of(report.exit_code).replace('_', ' ').upper()}: {report.summary}")
    for gate in report.forced:
        desk.screen.line(f"  FORCED past the gate: {gate}")
    for error in report.errors:
        if error.hint and error.hint != report.hint:
            desk.screen.line(f"  {error.code}: {error.hint}")
    if junit is not None:
        from emonk_ops.rollout.junit import to_junit

        _write(junit, to_junit(report))
    summary = desk.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        from emonk_ops.rollout.step_summary import to_markdown

        _append(Path(summary), to_markdown(report))
    return desk.answer(
        report.to_data(), code=report.exit_code, errors=tuple(report.errors), hint=report.hint
    )


def finish_rollback(
    desk: Desk,
    report: RollbackReport,
    *,
    again: str = "rollback",
    how: str = "rolled back",
    more: Mapping[str, Any] | None = None,
) -> ExitCode:
    """`again` is the command that goes on where it did not complete."""
    from emonk_ops.rollout.rollback import incomplete

    name, data = desk.env.name, {**report.to_data(), **(more or {})}
    if not report.complete:
        error = incomplete(report, name, again)
        desk.screen.line(f"RESTORE INCOMPLETE: {error.message}")
        code = ExitCode.RESTORE_INCOMPLETE
        return desk.answer(data, code=code, errors=(error,), hint=error.hint)
    word = "" if report.changed else ": already so"
    desk.screen.line(
        f"DONE: stage {report.stage} is {how} in {name} in {report.seconds:.1f} s{word}; "
        f"{name} is on hold"
    )
    return desk.answer(data, hint=f"emonk-ops status --env {name}")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)

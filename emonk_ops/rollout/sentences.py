"""The last lines of a stage: what came of it and what to type next."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta

from emonk_ops.errors import ExitCode
from emonk_ops.rollout.model import CheckResult, Verdict
from emonk_ops.rollout.registry import stage_modules
from emonk_ops.rollout.report import StageReport
from emonk_ops.rollout.rollback import incomplete


def conclude(report: StageReport, now: Callable[[], datetime]) -> None:
    """Fill in summary, hint and, for WAITING, until when and how long that is."""
    report.wait_until = max(
        (
            result.finding.wait_until
            for result in _open_results(report)
            if result.finding.wait_until is not None
        ),
        default=None,
    )
    report.summary = _summary(report)
    if report.exit_code is ExitCode.WAITING and report.wait_until is not None:
        report.summary += f" ({time_left(report.wait_until - now())} left)"
    report.hint = report.hint or _hint(report)
    if report.exit_code is ExitCode.RESTORE_INCOMPLETE and report.rollback is not None:
        report.errors.append(incomplete(report.rollback, report.env))


def time_left(left: timedelta) -> str:
    """`17 h 12 m`, `4 m 30 s`; never negative."""
    total = max(0, math.ceil(left.total_seconds()))
    days, hours, minutes, seconds = (
        total // 86400,
        total // 3600 % 24,
        total // 60 % 60,
        total % 60,
    )
    units = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    first = next((index for index, (count, _) in enumerate(units) if count), len(units) - 1)
    return " ".join(f"{count} {unit}" for count, unit in units[first : first + 2])


def missing_words(report: StageReport) -> list[str]:
    """The checks that want a person's word, as they are typed."""
    wanted = (Verdict.ASK, Verdict.ERROR)
    return [result.check.id for result in _open_results(report) if result.finding.verdict in wanted]


def _open_results(report: StageReport) -> list[CheckResult]:
    return [result for results in report.phases.values() for result in results if not result.holds]


def _open_by_verdict(report: StageReport) -> str:
    """`FAIL unit-tests; ASK code-review, lint`."""
    by_verdict: dict[str, list[str]] = {}
    for result in _open_results(report):
        by_verdict.setdefault(str(result.finding.verdict), []).append(result.check.id)
    return "; ".join(f"{verdict} {', '.join(ids)}" for verdict, ids in by_verdict.items())


def _summary(report: StageReport) -> str:
    name = f"stage {report.stage} ({report.title}) in {report.env}"
    cause = report.errors[0].message if report.errors else _open_by_verdict(report)
    match report.exit_code:
        case ExitCode.DONE:
            return f"{name} passed: already so" if report.already_so else f"{name} passed"
        case ExitCode.CHECK_FAILED:
            return f"{name} failed: {cause}"
        case ExitCode.REFUSED:
            return f"{name} refused: {cause}"
        case ExitCode.INCONCLUSIVE:
            return f"{name} is inconclusive: {cause}"
        case ExitCode.WAITING:
            until = f" until {report.wait_until:%Y-%m-%d %H:%M:%S}Z" if report.wait_until else ""
            return f"{name} waits{until}: {cause}"
        case ExitCode.ROLLED_BACK:
            return f"{name} failed and was rolled back: {cause}"
        case ExitCode.RESTORE_INCOMPLETE:
            return f"{name} failed and its rollback did not complete: {cause}"
        case _:
            return f"{name} could not be carried through: {cause}"


def _hint(report: StageReport) -> str:
    again = f"emonk-ops stage {report.stage} --env {report.env}{report.typed_along}"
    if report.forced:  # the gate is as closed as it was
        again += ' --force --reason "…"'
    words = missing_words(report)
    if report.exit_code is ExitCode.CLOUD and (cure := _cure(report)):
        return cure
    match report.exit_code:
        case ExitCode.DONE:
            return _onwards(report)
        case ExitCode.ROLLED_BACK:
            return f'emonk-ops resume --env {report.env} --reason "what was wrong, and the fix"'
        case ExitCode.RESTORE_INCOMPLETE:
            return f"emonk-ops rollback --env {report.env}"
        case ExitCode.REFUSED | ExitCode.CLOUD if words:
            return again + "".join(f' --confirm {word}="…"' for word in words)
        case ExitCode.CHECK_FAILED if report.changed:
            return f"emonk-ops rollback --env {report.env} --plan, or mend it and: {again}"
        case _:
            return again


def _cure(report: StageReport) -> str:
    """What mends an error, where more is known than that somebody may attest over it."""
    hints = [error.hint for error in report.errors]
    hints += [
        result.finding.hint
        for result in _open_results(report)
        if result.finding.verdict is Verdict.ERROR
    ]
    return next((hint for hint in hints if hint.startswith(("emonk-ops ", "gcloud "))), "")


def _onwards(report: StageReport) -> str:
    further = report.stage + 1
    if further in stage_modules():
        return f"emonk-ops stage {further} --env {report.env}"
    return f"emonk-ops validate --env {report.env}"  # the review, 30 days later

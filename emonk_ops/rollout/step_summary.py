"""A stage's run as Markdown, for the summary page of a pipeline."""

from __future__ import annotations

from emonk_ops.rollout.model import CheckResult
from emonk_ops.rollout.report import StageReport, StepOutcome
from emonk_ops.rollout.statuses import status_of


def to_markdown(report: StageReport) -> str:
    word = status_of(report.exit_code).replace("_", " ")
    lines = [
        f"### Stage {report.stage} in {report.env}: {word} (exit {int(report.exit_code)})",
        "",
        report.summary,
        *(f"\nFORCED past the gate: {gate}" for gate in report.forced),
        "",
        "| phase | what | verdict | evidence |",
        "|---|---|---|---|",
    ]
    for phase, results in report.phases.items():
        lines += [_check_row(phase, result) for result in results]
        if phase == "checks":
            lines += [_step_row("steps", outcome) for outcome in report.steps]
    if report.rollback is not None:
        lines += [_step_row("rollback", outcome) for outcome in report.rollback.outcomes]
    if report.hint:
        lines += ["", f"Next: `{report.hint}`"]
    return "\n".join(lines) + "\n\n"


def _check_row(phase: str, result: CheckResult) -> str:
    verdict = str(result.finding.verdict)
    if result.attestation is not None:
        verdict += f", attested by {result.attestation.who}: {result.attestation.word}"
    what = f"{result.check.id}: {result.check.sentence}"
    return _row(phase, what, verdict, result.finding.summary)


def _step_row(phase: str, outcome: StepOutcome) -> str:
    if outcome.result is None:
        return _row(phase, outcome.step.title, "failed", str(outcome.error))
    verdict = "done" if outcome.result.changed else "already so"
    return _row(phase, outcome.step.title, verdict, outcome.result.summary)


def _row(*cells: str) -> str:
    plain = [" ".join(cell.split()).replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(plain)} |"

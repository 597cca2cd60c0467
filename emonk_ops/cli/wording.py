"""How things of a rollout are worded, on every kind of screen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from emonk_ops.rollout.model import CheckResult, Step, StepResult
from emonk_ops.rollout.plan import PlannedStep
from emonk_ops.rollout.redaction import redacted

MOST_EVIDENCE = 240
ALREADY_SO = "already so"
ICONS = {
    "PASS": "✔",
    "FAIL": "✘",
    "INCONCLUSIVE": "?",
    "ERROR": "!",
    "ASK": "…",
    "WAITING": "⏳",
}
COLOURS = {
    "PASS": "green",
    "FAIL": "red",
    "INCONCLUSIVE": "yellow",
    "ERROR": "magenta",
    "ASK": "cyan",
    "WAITING": "blue",
}


def seconds(value: float) -> str:
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def moment(value: datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}Z" if value else "-"


def evidence(facts: Mapping[str, Any]) -> str:
    """Facts in one line, the long ones cut; the journal keeps them whole."""
    parts = [f"{name}={_short(value)}" for name, value in facts.items() if name != "diff"]
    text = ", ".join(parts)
    return text if len(text) <= MOST_EVIDENCE else text[: MOST_EVIDENCE - 1] + "…"


def finding_lines(result: CheckResult) -> list[str]:
    """What stands under a check: what was measured, the evidence, the word given, the way on."""
    finding = result.finding
    lines = [finding.summary] if finding.summary else []
    if facts := evidence(finding.facts):
        lines.append(f"evidence: {facts}")
    if result.attestation is not None:
        word = result.attestation
        lines.append(f"attested by {word.who} at {moment(word.at)}: {word.word}")
    elif not result.holds and finding.hint:
        lines.append(f"next: {finding.hint}")
    return lines


def check_title(result: CheckResult) -> str:
    also = " (advisory)" if result.advisory else ""
    attested = " attested" if result.attestation is not None else ""
    return f"{result.finding.verdict}{attested} {result.check.id}: {result.check.sentence}{also}"


def step_title(step: Step, result: StepResult, took: float) -> str:
    word = "done" if result.changed else ALREADY_SO
    summary = result.summary.removeprefix(f"{ALREADY_SO}: ") or step.title
    return f"{word} {step.id}: {summary} ({against_budget(step, took)})"


def against_budget(step: Step, took: float) -> str:
    if step.budget_seconds is None:
        return seconds(took)
    over = ", over budget" if took > step.budget_seconds else ""
    return f"{took:.1f} of {step.budget_seconds:g} s{over}"


def diff_lines(facts: Mapping[str, Any]) -> list[str]:
    """A step's diff, whatever its shape: lines, or {field: [before, after]}."""
    diff = facts.get("diff")
    if not diff:
        return []
    if isinstance(diff, Mapping):
        return [f"{name}: {_change(value)}" for name, value in diff.items()]
    if isinstance(diff, str):
        return diff.splitlines()
    return [str(line) for line in diff]


def planned_line(planned: PlannedStep) -> str:
    budget = planned.step.budget_seconds
    within = f" (within {budget:g} s)" if budget is not None else ""
    told = planned.summary.removeprefix(f"{ALREADY_SO}: ")
    summary = f": {told}" if told else ""
    return f"{planned.word:10} {planned.step.id}: {planned.step.title}{within}{summary}"


def _change(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{_short(value[0])} -> {_short(value[1])}"
    if isinstance(value, Mapping) and set(value) == {"from", "to"}:
        return f"{_short(value['from'])} -> {_short(value['to'])}"
    return _short(value)


def _short(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(redacted(value), ensure_ascii=False)

"""What a command has to say at its end: for the screen, for a pipeline, for JUnit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.errors import ExitCode, OpsError
from emonk_ops.rollout.model import CheckResult, Step, StepResult
from emonk_ops.rollout.redaction import redacted
from emonk_ops.rollout.statuses import status_of

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class StepOutcome:
    """A step that ran. `result` is None when it broke, `error` when it did not."""

    step: Step
    result: StepResult | None
    error: OpsError | None
    seconds: float

    def to_data(self) -> dict[str, Any]:
        result = self.result
        return {
            "id": self.step.id,
            "title": self.step.title,
            "ok": self.error is None,
            "changed": result.changed if result else None,
            "summary": result.summary if result else str(self.error),
            "facts": dict(result.facts) if result else {},
            "seconds": round(self.seconds, 3),
            "budget_seconds": self.step.budget_seconds,
        }


@dataclass(frozen=True)
class RollbackReport:
    """What was undone, step by step. `left` names the steps that did not run or broke."""

    stage: int
    outcomes: tuple[StepOutcome, ...]
    left: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        return not self.left

    @property
    def changed(self) -> bool:
        return any(one.result is not None and one.result.changed for one in self.outcomes)

    def to_data(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "complete": self.complete,
            "steps": [one.to_data() for one in self.outcomes],
            "left": list(self.left),
            "seconds": round(self.seconds, 3),
        }


@dataclass
class StageReport:
    """A stage's run, filled in as it goes."""

    stage: int
    title: str
    env: str
    phases: dict[str, list[CheckResult]] = field(default_factory=dict)
    steps: list[StepOutcome] = field(default_factory=list)
    rollback: RollbackReport | None = None
    exit_code: ExitCode = ExitCode.DONE
    summary: str = ""
    hint: str = ""
    errors: list[OpsError] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)  # closed gates that --force passed
    wait_until: datetime | None = None
    changed: bool = False
    seconds: float = 0.0
    typed_along: str = ""  # options that the same command needs again

    @property
    def already_so(self) -> bool:
        """Whether there was something to do and all of it was done before."""
        return self.exit_code is ExitCode.DONE and bool(self.steps) and not self.changed

    def to_data(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "title": self.title,
            "summary": self.summary,
            "changed": self.changed,
            "already_so": self.already_so,
            "forced": list(self.forced),
            "phases": {
                name: [check_data(result) for result in results]
                for name, results in self.phases.items()
            },
            "steps": [outcome.to_data() for outcome in self.steps],
            "rollback": self.rollback.to_data() if self.rollback else None,
            "wait_until": self.wait_until.isoformat() if self.wait_until else None,
            "next": self.hint,
            "seconds": round(self.seconds, 3),
        }


def check_data(result: CheckResult) -> dict[str, Any]:
    attestation = result.attestation
    return {
        "id": result.check.id,
        "sentence": result.check.sentence,
        "verdict": str(result.finding.verdict),
        "holds": result.holds,
        "advisory": result.advisory,
        "summary": result.finding.summary,
        "facts": dict(result.finding.facts),
        "hint": result.finding.hint,
        "attestation": {
            "word": attestation.word,
            "who": attestation.who,
            "at": attestation.at.isoformat(),
        }
        if attestation
        else None,
        "seconds": round(result.seconds, 3),
    }


def error_data(error: OpsError) -> dict[str, str]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


def envelope(
    command: str,
    *,
    exit_code: ExitCode,
    env: str | None = None,
    target: str | None = None,
    data: Mapping[str, Any] | None = None,
    errors: tuple[OpsError, ...] = (),
) -> dict[str, Any]:
    """The JSON that every command answers with under `--json`. Its keys are a promise."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "status": status_of(exit_code),
        "exit_code": int(exit_code),
        "target": target,
        "env": env,
        "data": dict(data or {}),
        "errors": [error_data(error) for error in errors],
    }
    plain: dict[str, Any] = redacted(document)
    return plain

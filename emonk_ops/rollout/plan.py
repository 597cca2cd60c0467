"""What a stage would do, without doing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emonk_ops.errors import ExitCode, Interrupted, OpsError, Refused, most_urgent
from emonk_ops.rollout.gates import closed_gate
from emonk_ops.rollout.guide.listing import Listed, listed
from emonk_ops.rollout.model import Check, Soak, Stage, Step, StepResult, soak_check
from emonk_ops.rollout.standing import Standing
from emonk_ops.toolbox import Toolbox


@dataclass(frozen=True)
class PlannedStep:
    """A step and what it would do; `error` when that could not be asked."""

    step: Step
    would: StepResult | None
    error: OpsError | None = None

    @property
    def word(self) -> str:
        if self.error is not None:
            return "unknown"
        if self.would is None:
            return "runs"
        return "change" if self.would.changed else "already so"

    @property
    def summary(self) -> str:
        if self.error is not None:
            return self.error.message
        return self.would.summary if self.would else ""

    def to_data(self) -> dict[str, Any]:
        return {
            "id": self.step.id,
            "title": self.step.title,
            "would": self.word,
            "summary": self.summary,
            "facts": dict(self.would.facts) if self.would else {},
            "budget_seconds": self.step.budget_seconds,
        }


@dataclass(frozen=True)
class StagePlan:
    """The stage as it would go now. `closed` is why it may not start, if so.

    `guide` are the lines of the rollout guide that belong to it, each with what answers it.
    """

    stage: Stage
    checks: dict[str, tuple[Check, ...]]
    steps: tuple[PlannedStep, ...]
    closed: Refused | None
    soaks: tuple[Soak, ...] = ()
    guide: tuple[Listed, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        return most_urgent([one.error.exit_code for one in self.steps if one.error is not None])

    def to_data(self) -> dict[str, Any]:
        return {
            "stage": self.stage.number,
            "title": self.stage.title,
            "reversibility": str(self.stage.reversibility),
            "closed": self.closed.message if self.closed else None,
            "steps": [one.to_data() for one in self.steps],
            "checks": {
                phase: [{"id": check.id, "sentence": check.sentence} for check in checks]
                for phase, checks in self.checks.items()
            },
            "soaks": [
                {"id": f"soak-{one.id}", "sentence": one.sentence, "seconds": one.needed_seconds}
                for one in self.soaks
            ],
            "guide": [one.to_data() for one in self.guide],
        }


def plan_stage(stage: Stage, tools: Toolbox, standing: Standing) -> StagePlan:
    """Only reads."""
    env = tools.env
    before, behind = stage.soak_before(env), stage.soak(env)
    return StagePlan(
        stage=stage,
        checks={
            "soak before": _soaked(before),
            "checks": stage.checks(env),
            "verify": stage.verify(env),
            "soak": _soaked(behind),
            "acceptance": stage.acceptance(env),
        },
        soaks=tuple(one for one in (before, behind) if one is not None),
        steps=preview_all(stage.plan(env), tools),
        closed=closed_gate(stage, standing, env.name),
        guide=listed(stage.number, env),
    )


def _soaked(soak: Soak | None) -> tuple[Check, ...]:
    return () if soak is None else (soak_check(soak),)


def preview_all(steps: tuple[Step, ...], tools: Toolbox) -> tuple[PlannedStep, ...]:
    return tuple(_preview(step, tools) for step in steps)


def _preview(step: Step, tools: Toolbox) -> PlannedStep:
    if step.preview is None:
        return PlannedStep(step, None)
    try:
        return PlannedStep(step, step.preview(tools))
    except Interrupted:
        raise
    except OpsError as error:
        return PlannedStep(step, None, error)

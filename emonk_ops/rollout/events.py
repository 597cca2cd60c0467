"""What happens during a run, told to whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from emonk_ops.errors import OpsError
from emonk_ops.rollout.model import Check, CheckResult, Stage, Step, StepResult


@dataclass(frozen=True)
class StageBegan:
    stage: Stage


@dataclass(frozen=True)
class PhaseBegan:
    """`name`: checks, capture, steps, verify, acceptance, rollback, drill: WAY; `lines` in it."""

    name: str
    lines: int = 0


@dataclass(frozen=True)
class CheckBegan:
    phase: str
    check: Check


@dataclass(frozen=True)
class CheckEnded:
    phase: str
    result: CheckResult


@dataclass(frozen=True)
class StepBegan:
    phase: str  # steps | rollback
    step: Step


@dataclass(frozen=True)
class StepEnded:
    phase: str
    step: Step
    result: StepResult
    seconds: float


@dataclass(frozen=True)
class StepBroke:
    phase: str
    step: Step
    error: OpsError
    seconds: float


@dataclass(frozen=True)
class Noted:
    """Something the operator should know: progress, an unfinished run, a lock taken over."""

    text: str
    warning: bool = False


Event = (
    StageBegan | PhaseBegan | CheckBegan | CheckEnded | StepBegan | StepEnded | StepBroke | Noted
)


class Observer(Protocol):
    def notice(self, event: Event) -> None: ...


class Silent:
    """Shows nothing."""

    def notice(self, event: Event) -> None:
        return None

"""What an emergency rollback would do, and how it went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emonk_ops.rollout.model import Step
from emonk_ops.rollout.report import StepOutcome


@dataclass(frozen=True)
class EmergencyPlan:
    stage: int
    told_by: str
    steps: tuple[Step, ...]


@dataclass
class EmergencyReport:
    """How it went. Times are real seconds since Enter; None where it did not happen."""

    stage: int = 0
    outcomes: list[StepOutcome] = field(default_factory=list)
    left: tuple[str, ...] = ()
    stopped_seconds: float | None = None
    moved_seconds: float | None = None
    seconds: float = 0.0
    told_by: str = ""
    drives: str = ""  # who drives in the end, in a sentence
    notes: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not self.left

    def to_data(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "complete": self.complete,
            "steps": [one.to_data() for one in self.outcomes],
            "left": list(self.left),
            "stopped_seconds": _rounded(self.stopped_seconds),
            "moved_seconds": _rounded(self.moved_seconds),
            "seconds": round(self.seconds, 3),
            "told_by": self.told_by,
            "drives": self.drives,
            "notes": list(self.notes),
        }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

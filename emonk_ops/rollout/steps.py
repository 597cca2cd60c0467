"""Runs one step between its two records."""

from __future__ import annotations

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import Interrupted, LockLost, OpsError, StepFailed
from emonk_ops.rollout.book import RunRecord
from emonk_ops.rollout.events import Observer, StepBegan, StepBroke, StepEnded
from emonk_ops.rollout.model import Step
from emonk_ops.rollout.report import StepOutcome
from emonk_ops.toolbox import Toolbox


def run_step(
    phase: str, step: Step, *, tools: Toolbox, run: RunRecord, observer: Observer
) -> StepOutcome:
    """The outcome, broken or not; only a lost lock or a signal is raised.

    `phase` is "steps", "rollback" or "drill": only the first are records of a stage's progress.
    """
    kind = "step" if phase == "steps" else f"{phase}.step"
    run.write(f"{kind}.started", {"id": step.id, "title": step.title})
    observer.notice(StepBegan(phase, step))
    stopwatch = Stopwatch()
    try:
        result = step.run(tools)
    except (Interrupted, LockLost):
        raise
    except Exception as cause:
        error = cause if isinstance(cause, OpsError) else _bug(step, cause)
        seconds = stopwatch.seconds
        run.write(
            f"{kind}.failed",
            {
                "id": step.id,
                "error": error.code,
                "message": error.message,
                "untouched": error.untouched,
                "seconds": seconds,
            },
        )
        observer.notice(StepBroke(phase, step, error, seconds))
        return StepOutcome(step, None, error, seconds)
    seconds = stopwatch.seconds
    run.changed = run.changed or result.changed
    run.write(
        f"{kind}.ended",
        {
            "id": step.id,
            "changed": result.changed,
            "summary": result.summary,
            "facts": result.facts,
            "seconds": seconds,
            "budget_seconds": step.budget_seconds,
        },
    )
    observer.notice(StepEnded(phase, step, result, seconds))
    return StepOutcome(step, result, None, seconds)


def _bug(step: Step, cause: Exception) -> OpsError:
    """A step that ends in a bug may have changed something, so it is treated as a failed one."""
    error = StepFailed(
        f"a bug in step {step.id}: {type(cause).__name__}: {cause}",
        hint="EMONK_DEBUG=1 shows where; please report it",
    )
    error.__cause__ = cause
    return error

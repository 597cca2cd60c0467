"""Undoes a stage from what was captured before it. Safe to run again after any interruption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import ExitCode, RestoreIncomplete
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.events import Observer, PhaseBegan
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import Stage, Step
from emonk_ops.rollout.report import RollbackReport, StepOutcome
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.toolbox import Toolbox


def undo(
    steps: tuple[Step, ...],
    *,
    stage: int,
    capture_seq: int,
    reason: str,
    tools: Toolbox,
    run: RunRecord,
    observer: Observer,
) -> RollbackReport:
    """Run the inverse steps in order, up to the first that breaks; the hold begins with them."""
    stopwatch = Stopwatch()
    run.write(
        "rollback.started",
        {
            "stage": stage,
            "capture_seq": capture_seq,
            "reason": reason,
            "steps": [step.id for step in steps],
        },
    )
    observer.notice(PhaseBegan("rollback", len(steps)))
    outcomes: list[StepOutcome] = []
    for step in steps:
        outcomes.append(run_step("rollback", step, tools=tools, run=run, observer=observer))
        if outcomes[-1].error is not None:
            break
    done = sum(outcome.error is None for outcome in outcomes)
    left = tuple(f"{step.id}: {step.title}" for step in steps[done:])
    run.write(
        "rollback.ended",
        {
            "ok": not left,
            "stage": stage,
            "capture_seq": capture_seq,
            "left": left,
            "seconds": stopwatch.seconds,
        },
    )
    return RollbackReport(stage, tuple(outcomes), left, stopwatch.seconds)


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would undo. `capture` is None when nothing is left."""

    capture: Capture | None
    steps: tuple[Step, ...]
    why_nothing: str = ""


def plan_rollback(
    standing: Standing, tools: Toolbox, load_stage: Callable[[int], Stage], *, further: bool = False
) -> RollbackPlan:
    """The newest capture whose stage changed something, and the inverse computed from it.

    After a rollback that ended, another one undoes nothing more unless it is to go `further`.
    """
    capture = standing.newest_to_roll_back()
    hold = standing.hold
    if hold is not None and not hold.complete:
        capture = next(one for one in standing.captures if one.seq == hold.capture_seq)
    elif hold is not None and not hold.by_hand and not further:
        return RollbackPlan(None, (), f"already rolled back at {hold.since:%Y-%m-%d %H:%M:%S}Z")
    if capture is None:
        return RollbackPlan(None, (), "no stage has changed anything that is not undone yet")
    stage = load_stage(capture.stage)
    if stage.inverse is None:
        return RollbackPlan(None, (), f"stage {stage.number} has nothing to undo")
    return RollbackPlan(capture, stage.inverse(tools.env, capture.facts))


def roll_back(
    tools: Toolbox,
    book: Book,
    load_stage: Callable[[int], Stage],
    observer: Observer,
    *,
    reason: str,
    further: bool = False,
) -> RollbackReport | None:
    """Undo the newest stage; None when nothing is left to undo. Then the environment is on hold.

    An incomplete rollback is in the report, not raised. Raises Locked, LockLost, StateDamaged and
    Interrupted.
    """
    first = plan_rollback(book.standing(), tools, load_stage, further=further)
    if first.capture is None:
        return None
    stage = first.capture.stage
    heading = Heading("rollback", f"rollback of stage {stage}", stage, goes_back=True)
    with book.locked_run(heading) as run:
        plan = plan_rollback(book.standing(), tools, load_stage, further=further)
        if plan.capture is None:
            run.end(ExitCode.DONE, plan.why_nothing)
            return None
        tools = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock))
        report = undo(
            plan.steps,
            stage=plan.capture.stage,
            capture_seq=plan.capture.seq,
            reason=reason,
            tools=tools,
            run=run,
            observer=observer,
        )
        code = ExitCode.DONE if report.complete else ExitCode.RESTORE_INCOMPLETE
        run.end(code, heading.title, seconds=report.seconds, left=report.left)
        return report


def incomplete(report: RollbackReport, env: str) -> RestoreIncomplete:
    """What to say of a rollback that did not complete."""
    broken = next((one for one in report.outcomes if one.error is not None), None)
    why = f"{broken.step.id}: {broken.error}" if broken else "interrupted"
    return RestoreIncomplete(
        f"the rollback of stage {report.stage} did not complete ({why}); "
        f"left: {', '.join(report.left)}",
        hint=f"emonk-ops rollback --env {env}",
    )

"""A partial rollback: stage 4's storage is left, its driver stays. The stage's capture is kept."""

from __future__ import annotations

from dataclasses import replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import ExitCode, GateClosed, OnHold
from emonk_ops.operations import partial
from emonk_ops.rollout.book import Book, Heading
from emonk_ops.rollout.events import Observer, PhaseBegan
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.precedents import CUTOVER
from emonk_ops.rollout.report import RollbackReport, StepOutcome
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.toolbox import Toolbox

COMMAND = "rollback --partial"


def require_cutover(standing: Standing, env: str) -> None:
    """Raises GateClosed where there is no Firestore to leave, OnHold for a rollback half way."""
    hold = standing.hold
    if hold is not None and not hold.complete:
        raise OnHold(
            f"another rollback has not ended ({hold.reason})",
            hint=f"emonk-ops rollback --env {env}",
        )
    newest = standing.newest_to_roll_back()
    if newest is None or newest.stage < CUTOVER:
        raise GateClosed(
            f"a partial rollback leaves the Firestore that stage {CUTOVER} brought; that stage has "
            f"changed nothing in {env} that is not undone",
            hint=f"emonk-ops status --env {env}",
        )


def roll_back_partly(
    tools: Toolbox, book: Book, observer: Observer, *, reason: str
) -> RollbackReport:
    """Then the environment is on hold; after `resume`, stage 4 goes forward again.

    An incomplete one is in the report, and the same command goes on. Raises GateClosed, OnHold,
    Locked, LockLost, StateDamaged and Interrupted.
    """
    env, stopwatch = tools.env, Stopwatch()
    require_cutover(book.standing(), env.name)
    heading = Heading(COMMAND, "partial rollback", CUTOVER, reason, goes_back=True)
    with book.locked_run(heading) as run:
        require_cutover(book.standing(), env.name)
        tools = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock))
        run.write("rollback.partial", {"stage": CUTOVER, "reason": reason})
        run.write("hold.set", {"reason": f"partial rollback: {reason}"})
        steps = partial.steps(env)
        observer.notice(PhaseBegan("rollback", len(steps)))
        outcomes: list[StepOutcome] = []
        for step in steps:
            outcomes.append(run_step("rollback", step, tools=tools, run=run, observer=observer))
            if outcomes[-1].error is not None:
                break
        done = sum(one.error is None for one in outcomes)
        left = tuple(f"{step.id}: {step.title}" for step in steps[done:])
        report = RollbackReport(CUTOVER, tuple(outcomes), left, stopwatch.seconds)
        code = ExitCode.DONE if report.complete else ExitCode.RESTORE_INCOMPLETE
        run.end(code, heading.title, seconds=report.seconds, left=left)
        return report

"""Undoes a stage from what was captured before it. Safe to run again after any interruption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import ExitCode, GateClosed, RestoreIncomplete, UsageError
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.events import Noted, Observer, PhaseBegan
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import Stage, Step
from emonk_ops.rollout.remembering import remember
from emonk_ops.rollout.report import RollbackReport, StepOutcome
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.toolbox import Toolbox

STAGES = range(6)


def undo(
    steps: tuple[Step, ...],
    *,
    stage: int,
    capture_seq: int,
    reason: str,
    tools: Toolbox,
    run: RunRecord,
    observer: Observer,
    more: bool = False,
) -> RollbackReport:
    """Run the inverse steps in order, up to the first that breaks; the hold begins with them.

    `more` says that the same run undoes another stage afterwards.
    """
    stopwatch = Stopwatch()
    about = {"stage": stage, "capture_seq": capture_seq}
    run.write("rollback.started", {**about, "reason": reason, "steps": [step.id for step in steps]})
    observer.notice(PhaseBegan("rollback", len(steps)))
    outcomes: list[StepOutcome] = []
    for step in steps:
        outcomes.append(run_step("rollback", step, tools=tools, run=run, observer=observer))
        if outcomes[-1].error is not None:
            break
    done = sum(outcome.error is None for outcome in outcomes)
    left = tuple(f"{step.id}: {step.title}" for step in steps[done:])
    ended = {"ok": not left, **about, "left": left, "seconds": stopwatch.seconds}
    run.write("rollback.ended", {**ended, "more": more})
    return RollbackReport(stage, tuple(outcomes), left, stopwatch.seconds)


@dataclass(frozen=True)
class RollbackPlan:
    """What a rollback would undo. `capture` is None when nothing is left."""

    capture: Capture | None
    steps: tuple[Step, ...]
    why_nothing: str = ""


def plan_rollback(
    standing: Standing,
    tools: Toolbox,
    load_stage: Callable[[int], Stage],
    *,
    further: bool = False,
    to: int | None = None,
) -> RollbackPlan:
    """The newest capture whose stage changed something, and the inverse computed from it.

    After a rollback that ended, another one undoes nothing more unless it is to go `further`, or
    `to` the stage that is to be the last which holds.
    """
    capture = standing.newest_to_roll_back()
    hold = standing.hold
    if hold is not None and not hold.complete:
        capture = standing.capture_of_hold()
    elif to is not None:
        if capture is None or capture.stage <= to:
            return RollbackPlan(None, (), f"stage {to} is the last that holds")
    elif hold is not None and not hold.by_hand and not further:
        return RollbackPlan(None, (), f"already rolled back at {hold.since:%Y-%m-%d %H:%M:%S}Z")
    if capture is None:
        return RollbackPlan(None, (), "no stage has changed anything that is not undone yet")
    stage = load_stage(capture.stage)
    if stage.inverse is None:
        return RollbackPlan(None, (), f"stage {stage.number} has nothing to undo")
    return RollbackPlan(capture, stage.inverse(tools.env, capture.facts))


def plan_all(
    standing: Standing, tools: Toolbox, load_stage: Callable[[int], Stage], *, to: int
) -> tuple[RollbackPlan, ...]:
    """Every stage behind `to` that would be undone, newest first. Raises GateClosed, UsageError."""
    require_stage_to_go_to(standing, tools.env.name, to)
    plans = []
    for capture in reversed(standing.captures):
        begun = standing.hold is not None and not standing.hold.complete
        wanted = capture.stage > to or (begun and capture == standing.capture_of_hold())
        inverse = load_stage(capture.stage).inverse
        if capture.can_be_rolled_back and wanted and inverse is not None:
            plans.append(RollbackPlan(capture, inverse(tools.env, capture.facts)))
    return tuple(plans)


def require_stage_to_go_to(standing: Standing, env: str, to: int) -> None:
    """Raises UsageError for one that there is not, GateClosed for one that has not passed."""
    if to not in STAGES:
        raise UsageError(f"--to {to}: there is no such stage", hint="Stages: 0 to 5")
    if to not in standing.passed:
        passed = ", ".join(str(one) for one in sorted(standing.passed)) or "none"
        raise GateClosed(
            f"--to {to}: stage {to} has not passed in {env}; passed: {passed}",
            hint=f"emonk-ops status --env {env}",
        )


def roll_back(
    tools: Toolbox,
    book: Book,
    load_stage: Callable[[int], Stage],
    observer: Observer,
    *,
    reason: str,
    further: bool = False,
    to: int | None = None,
) -> RollbackReport | None:
    """Undo the newest stage, or all behind `to`; None when nothing is left to undo.

    Then the environment is on hold. An incomplete rollback is in the report, not raised. Raises
    Locked, LockLost, StateDamaged and Interrupted; for `to`, UsageError and GateClosed.
    """
    standing = book.standing()
    if to is not None:
        require_stage_to_go_to(standing, tools.env.name, to)
    first = plan_rollback(standing, tools, load_stage, further=further, to=to)
    if first.capture is None:
        return None
    stage = first.capture.stage
    title = f"rollback of stage {stage}" if to is None else f"rollback to stage {to}"
    with book.locked_run(Heading("rollback", title, stage, goes_back=True)) as run:
        tools = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock))
        going = _Going(tools, run, load_stage, observer, reason)
        standing = book.standing()
        plan = plan_rollback(standing, tools, load_stage, further=further, to=to)
        while plan.capture is not None:
            more = _is_more_to_undo(standing, plan.capture, to)
            if not going.undo(plan, more=more) or not more:
                break
            standing = book.standing()
            plan = plan_rollback(standing, tools, load_stage, to=to)
        if not going.reports:
            run.end(ExitCode.DONE, plan.why_nothing)
            return None
        report = going.sum()
        code = ExitCode.DONE if report.complete else ExitCode.RESTORE_INCOMPLETE
        run.end(code, title, seconds=report.seconds, left=report.left)
        return report


def _is_more_to_undo(standing: Standing, undone: Capture, to: int | None) -> bool:
    """Whether, once this capture is undone, another stage behind `to` is still there."""
    behind = [one for one in standing.captures if one.can_be_rolled_back and one.seq != undone.seq]
    return to is not None and any(one.stage > to for one in behind)


class _Going:
    """One run that goes back, stage by stage."""

    def __init__(
        self,
        tools: Toolbox,
        run: RunRecord,
        load_stage: Callable[[int], Stage],
        observer: Observer,
        reason: str,
    ) -> None:
        self._tools = tools
        self._run = run
        self._load_stage = load_stage
        self._observer = observer
        self._reason = reason
        self.reports: list[RollbackReport] = []

    def undo(self, plan: RollbackPlan, *, more: bool) -> bool:
        """Whether it is undone as a whole."""
        capture = plan.capture
        assert capture is not None
        report = undo(
            plan.steps,
            stage=capture.stage,
            capture_seq=capture.seq,
            reason=self._reason,
            tools=self._tools,
            run=self._run,
            observer=self._observer,
            more=more,
        )
        self.reports.append(report)
        if report.complete:
            why = remember(self._load_stage(capture.stage), self._tools, capture)
            if why:
                self._observer.notice(Noted(why, warning=True))
        return report.complete

    def sum(self) -> RollbackReport:
        last = self.reports[-1]
        return RollbackReport(
            last.stage,
            tuple(outcome for one in self.reports for outcome in one.outcomes),
            last.left,
            sum(one.seconds for one in self.reports),
        )


def incomplete(report: RollbackReport, env: str, again: str = "rollback") -> RestoreIncomplete:
    """What to say of a rollback that did not complete."""
    broken = next((one for one in report.outcomes if one.error is not None), None)
    why = f"{broken.step.id}: {broken.error}" if broken else "interrupted"
    return RestoreIncomplete(
        f"the rollback of stage {report.stage} did not complete ({why}); "
        f"left: {', '.join(report.left)}",
        hint=f"emonk-ops {again} --env {env}",
    )

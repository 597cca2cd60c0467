"""The emergency rollback: acts first, and then finds out where the way back is written down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import (
    CloudError,
    ExitCode,
    Interrupted,
    LockLost,
    OpsError,
)
from emonk_ops.operations import emergency, way_back
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.emergency_report import EmergencyPlan, EmergencyReport
from emonk_ops.rollout.events import Noted, Observer, PhaseBegan, StepBegan, StepBroke, StepEnded
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.identity import Identity
from emonk_ops.rollout.model import Step
from emonk_ops.rollout.places import JournalPlace
from emonk_ops.rollout.report import StepOutcome
from emonk_ops.rollout.standing import NO_CAPTURE, Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.rollout.unwritten import NoJournal, Steadfast
from emonk_ops.rollout.ways_back import WayBack, find_way_back, who_drives_now
from emonk_ops.toolbox import Evidence, Toolbox

PHASE = "rollback"
# What must be done in the end; a step before it may fail where a later one makes up for it.
NEEDED = ("traffic", "carry-back", "scheduler-job", "one-driver")
MOVES = "traffic"


class Emergency:
    """One emergency rollback. `age` is how old the process was when `entered` was started."""

    def __init__(
        self,
        tools: Toolbox,
        open_book: Callable[[], Book],
        aside: Callable[[], Book],
        evidence: Callable[[], Evidence],
        observer: Observer,
        *,
        who: Identity,
        reason: str,
        entered: Stopwatch,
        age: float = 0.0,
    ) -> None:
        self._tools = tools
        self._open_book = open_book
        self._aside = aside
        self._evidence = evidence
        self._observer = observer
        self._who = who
        self._reason = reason
        self._entered = entered
        self._age = age
        self._began: list[dict[str, Any]] = []
        self.report = EmergencyReport()

    def go(self) -> EmergencyReport:
        """What could not be done is in the report. Raises LockLost and Interrupted."""
        self._observer.notice(PhaseBegan("stop what drives"))
        stopped = [self._at_once(step) for step in emergency.first_steps(self._tools.env)]
        if any(stopped):
            self.report.stopped_seconds = self._since_enter()
        if not all(stopped):
            self._note("not all could be told to stop; the rest ends when the traffic has moved")
        with ExitStack() as stack:
            run, standing = self._recorded(stack)
            self._tools = replace(
                self._tools,
                ports=GuardedPorts(self._tools.ports, run.require_lock),
                run_id=run.id,
            )
            try:
                self._go_back(run, standing)
            finally:
                run.finish()
        return self.report

    def plan(self) -> EmergencyPlan:
        """What it would do now; nothing is changed. Raises OpsError where no way back is known."""
        env = self._tools.env
        try:
            standing = self._open_book().standing()
        except OpsError as error:
            self._note(f"the journal cannot be read: {error.message}")
            standing = Standing()
        way = find_way_back(self._tools, standing, self._note)
        steps = (*emergency.first_steps(env), *emergency.next_steps(env, way.facts))
        return EmergencyPlan(way.stage, way.told_by, steps)

    def _since_enter(self) -> float:
        return self._age + self._entered.seconds

    def _at_once(self, step: Step) -> bool:
        """A step without any record; it is told to the journal afterwards."""
        stopwatch = Stopwatch()
        self._observer.notice(StepBegan(PHASE, step))
        try:
            result = step.run(self._tools)
        except OpsError as error:
            if isinstance(error, Interrupted):
                raise
            outcome = StepOutcome(step, None, error, stopwatch.seconds)
            self._observer.notice(StepBroke(PHASE, step, error, stopwatch.seconds))
        else:
            outcome = StepOutcome(step, result, None, stopwatch.seconds)
            self._observer.notice(StepEnded(PHASE, step, result, stopwatch.seconds))
        self.report.outcomes.append(outcome)
        self._began.append({**outcome.to_data(), "since_enter": round(self._since_enter(), 3)})
        return outcome.error is None

    def _recorded(self, stack: ExitStack) -> tuple[Steadfast, Standing]:
        """The lock, taken from whoever has it, and the journal; or what there is of them."""
        heading = Heading(
            "rollback", "emergency rollback", None, self._reason, goes_back=True, pre_empts=True
        )
        trials: tuple[tuple[str, Callable[[], Book], bool], ...] = (
            ("", self._open_book, True),
            ("NOT LOCKED", self._open_book, False),
            ("NOT LOCKED, and recorded on this machine only", self._aside, False),
        )
        why: Exception = OSError("no record was tried")
        for told, opened, locks in trials:
            try:
                book = opened()
                standing = book.standing()
                with_ = book.locked_run(heading) if locks else book.free_run(heading)
                run = stack.enter_context(with_)
            except (Interrupted, LockLost):
                raise
            except (OpsError, OSError) as error:
                why = error
                continue
            if told:
                self._note(f"{told}: {why}")
            if held := run.took_over:
                self._note(f"the lock was taken over; the other run stops now: {held.sentence()}")
            if book.journal.state().reachable:  # what is down is not waited for once more
                self._tools = replace(self._tools, evidence=self._evidence())
            return Steadfast(run, self._tools.clock, self._note), standing
        self._note(f"NOT LOCKED, NOT RECORDED: {why}")
        nothing = RunRecord(cast("JournalPlace", NoJournal(why)), self._who, "unrecorded", None)
        return Steadfast(nothing, self._tools.clock, self._note), Standing()

    def _go_back(self, run: Steadfast, standing: Standing) -> None:
        report = self.report
        try:
            way = find_way_back(self._tools, standing, self._note)
        except OpsError as error:
            report.left = (f"find the way back: {error.message}",)
            report.drives = who_drives_now(self._tools)
            report.seconds = self._since_enter()
            run.write("hold.set", {"reason": f"emergency rollback: {error.message}"})
            run.end(ExitCode.RESTORE_INCOMPLETE, error.message, left=report.left)
            return
        report.stage, report.told_by = way.stage, way.told_by
        self._note(f"back to before stage {way.stage}, as {way.told_by} has it")
        steps = emergency.next_steps(self._tools.env, way.facts)
        about = {"stage": way.stage, "capture_seq": way.seq}
        ids = [step.id for step in steps]
        started = {**about, "reason": self._reason, "steps": ids, "emergency": True}
        run.write("rollback.started", {**started, "began": self._began})
        self._observer.notice(PhaseBegan(PHASE, len(steps)))
        self._steps(run, steps)
        report.seconds = self._since_enter()
        ended = {"ok": report.complete, **about, "left": report.left, "seconds": report.seconds}
        times = {"stopped": report.stopped_seconds, "moved": report.moved_seconds}
        run.write("rollback.ended", {**ended, "since_enter": times})
        if report.complete:
            self._remember(way)
        else:
            report.drives = who_drives_now(self._tools)
        code = ExitCode.DONE if report.complete else ExitCode.RESTORE_INCOMPLETE
        run.end(code, f"emergency rollback of stage {way.stage}", **ended)

    def _remember(self, way: WayBack) -> None:
        """The next emergency, from whatever machine, comes to the same."""
        if way.seq == NO_CAPTURE:
            return
        kept = {"seq": way.seq, "stage": way.stage, "at": way.at.isoformat(), "facts": way.facts}
        try:
            way_back.remember(self._tools, kept)
        except CloudError as error:
            self._note(f"the way back is not on the service: {error.message}")

    def _steps(self, run: RunRecord, steps: tuple[Step, ...]) -> None:
        report = self.report
        failed: list[str] = []
        for step in steps:
            if step.id != MOVES and MOVES in failed and step.id != "scheduler-job":
                failed.append(step.id)  # it would act on the revision that is to go
                continue
            outcome = run_step(PHASE, step, tools=self._tools, run=run, observer=self._observer)
            report.outcomes.append(outcome)
            if outcome.error is not None:
                failed.append(step.id)
            elif step.id == MOVES:
                report.moved_seconds = self._since_enter()
                report.stopped_seconds = report.stopped_seconds or report.moved_seconds
        report.left = tuple(
            f"{step.id}: {step.title}" for step in steps if step.id in failed and step.id in NEEDED
        )

    def _note(self, text: str) -> None:
        self.report.notes.append(text)
        self._observer.notice(Noted(text, warning=True))

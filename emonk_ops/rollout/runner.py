"""Makes a stage happen: gate, hold, lock, checks, capture, steps, verify, acceptance, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import CloudError, ExitCode, Interrupted, LockLost, OpsError
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.checks import Checklist, Words, require_known
from emonk_ops.rollout.events import Noted, Observer, PhaseBegan, StageBegan
from emonk_ops.rollout.gates import require_open_gate
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import CheckResult, Facts, Stage, Step, Verdict
from emonk_ops.rollout.report import StageReport, StepOutcome
from emonk_ops.rollout.rollback import undo
from emonk_ops.rollout.sentences import conclude
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.rollout.verdicts import exit_code_of
from emonk_ops.toolbox import Toolbox

Consent = Callable[[tuple[Step, ...]], None]  # raises Refused when the operator says no


@dataclass(frozen=True)
class Options:
    """What the operator gave along."""

    words: Words = field(default_factory=Words)
    reason: str = ""
    consent: Consent = lambda _steps: None


def run_stage(
    stage: Stage, tools: Toolbox, book: Book, options: Options, observer: Observer
) -> StageReport:
    """Run the stage in the toolbox's environment and say how it went.

    Failures are in the report. Raises GateClosed, OnHold, Locked, LockLost, UsageError,
    StateDamaged and Interrupted.
    """
    env = tools.env
    every = (*stage.checks(env), *stage.verify(env), *stage.acceptance(env))
    require_known(options.words, every)
    require_open_gate(stage, book.standing(), env.name)
    heading = Heading("stage", f"stage {stage.number}: {stage.title}", stage.number, options.reason)
    with book.locked_run(heading) as run:
        standing = book.standing()
        require_open_gate(stage, standing, env.name)
        return _Attempt(stage, tools, run, standing, options, observer).go()


class _Attempt:
    """One run of one stage."""

    def __init__(
        self,
        stage: Stage,
        tools: Toolbox,
        run: RunRecord,
        standing: Standing,
        options: Options,
        observer: Observer,
    ) -> None:
        self._stage = stage
        self._tools = tools = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock))
        self._run = run
        self._standing = standing
        self._options = options
        self._observer = observer
        self._checklist = Checklist(
            stage=stage.number,
            tools=tools,
            run=run,
            standing=standing,
            words=options.words,
            observer=observer,
        )
        self._captured: tuple[int, Facts] | None = None
        self._changed_before = False
        self._begun_before = False
        self.report = StageReport(stage.number, stage.title, tools.env.name)

    def go(self) -> StageReport:
        report, stopwatch = self.report, Stopwatch()
        self._observer.notice(StageBegan(self._stage))
        try:
            self._phases()
        except (Interrupted, LockLost):
            raise
        except OpsError as error:
            report.errors.append(error)
            report.exit_code = error.exit_code
        report.changed = self._run.changed
        report.seconds = stopwatch.seconds
        conclude(report, self._tools.clock.now)
        self._run.end(report.exit_code, report.summary, seconds=report.seconds)
        return report

    def _phases(self) -> None:
        stage, env = self._stage, self._tools.env
        if not self._all_hold("checks", self._checklist.go_through("checks", stage.checks(env))):
            return
        if steps := stage.plan(env):
            self._options.consent(steps)
            self._capture()
            if not self._apply(steps):
                return
        verified = self._checklist.go_through("verify", stage.verify(env))
        if not self._all_hold("verify", verified):
            self._after_failed_verify(verified)
            return
        accepted = self._checklist.go_through("acceptance", stage.acceptance(env))
        self._all_hold("acceptance", accepted)

    def _all_hold(self, phase: str, results: list[CheckResult]) -> bool:
        self.report.phases[phase] = results
        self.report.exit_code = exit_code_of(results)
        return all(result.holds for result in results)

    def _capture(self) -> None:
        """Read the way back and write it down, unless an unfinished run already did."""
        kept = self._standing.open_capture(self._stage.number)
        if kept is not None:
            self._captured = (kept.seq, kept.facts)
            self._changed_before = kept.changed
            self._begun_before = kept.can_be_rolled_back
            self._observer.notice(
                Noted(f"the way back is the one captured at {kept.at:%Y-%m-%d %H:%M:%S}Z")
            )
        elif self._stage.capture is not None:
            self._observer.notice(PhaseBegan("capture"))
            facts = self._stage.capture(self._tools)
            record = self._run.write("captured", {"stage": self._stage.number, "facts": facts})
            self._captured = (record.seq, record.body["facts"])
            self._observer.notice(Noted("the way back is written down"))

    def _apply(self, steps: tuple[Step, ...]) -> bool:
        self._observer.notice(PhaseBegan("steps", len(steps)))
        for step in steps:
            outcome = run_step(
                "steps", step, tools=self._tools, run=self._run, observer=self._observer
            )
            self.report.steps.append(outcome)
            if outcome.error is not None:
                self._after_failed_step(outcome)
                return False
        return True

    def _after_failed_step(self, outcome: StepOutcome) -> None:
        error = outcome.error
        assert error is not None
        self.report.errors.append(error)
        self.report.exit_code = error.exit_code
        # When the cloud could not be asked and nothing was changed yet, the next run goes on.
        if isinstance(error, CloudError) and not (self._run.changed or self._changed_before):
            return
        self._roll_back(f"step {outcome.step.id} failed: {error.message}")

    def _after_failed_verify(self, results: list[CheckResult]) -> None:
        failed = [
            result.check.id
            for result in results
            if not result.holds and result.finding.verdict is Verdict.FAIL
        ]
        if failed and (self._run.changed or self._begun_before):
            self._roll_back(f"verify failed: {', '.join(failed)}")

    def _roll_back(self, reason: str) -> None:
        if self._stage.inverse is None or self._captured is None:
            return
        seq, facts = self._captured
        report = undo(
            self._stage.inverse(self._tools.env, facts),
            stage=self._stage.number,
            capture_seq=seq,
            reason=reason,
            tools=self._tools,
            run=self._run,
            observer=self._observer,
        )
        self.report.rollback = report
        self.report.exit_code = (
            ExitCode.ROLLED_BACK if report.complete else ExitCode.RESTORE_INCOMPLETE
        )

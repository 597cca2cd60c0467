"""A rollback rehearsed where it does no harm: stage 4 is undone, timed, and done again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import ExitCode, GateClosed, OpsError
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.checks import measure
from emonk_ops.rollout.events import CheckEnded, Observer, PhaseBegan
from emonk_ops.rollout.gates import fault_refusal, hold_refusal
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import CheckResult, Stage, Step
from emonk_ops.rollout.precedents import CUTOVER, version_of
from emonk_ops.rollout.report import StepOutcome, check_data
from emonk_ops.rollout.runs import Capture
from emonk_ops.rollout.standing import Standing
from emonk_ops.rollout.steps import run_step
from emonk_ops.toolbox import Toolbox

PHASE = "drill"


@dataclass
class DrillReport:
    """`why` says what went wrong; empty when all went well. Times are real seconds."""

    back: list[StepOutcome] = field(default_factory=list)
    forth: list[StepOutcome] = field(default_factory=list)
    verified: list[CheckResult] = field(default_factory=list)
    back_seconds: float = 0.0
    forth_seconds: float = 0.0
    went_back: bool = False
    why: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """7 where the way back broke: that is the news a drill is for."""
        if not self.why:
            return ExitCode.DONE
        return ExitCode.CHECK_FAILED if self.went_back else ExitCode.RESTORE_INCOMPLETE


def rehearse_rollback(
    tools: Toolbox, book: Book, load_stage: Callable[[int], Stage], observer: Observer, reason: str
) -> DrillReport:
    """Back to what stage 4 found, and forth again, each step read back and timed.

    Killed half way, it is run again: every step is safe to repeat. Raises GateClosed, OnHold,
    Locked, LockLost, StateDamaged and Interrupted.
    """
    _to_rehearse(book.standing(), tools.env.name)
    heading = Heading("drill", "rollback drill", CUTOVER, reason)
    with book.locked_run(heading) as run:
        capture = _to_rehearse(book.standing(), tools.env.name)
        tools = replace(tools, ports=GuardedPorts(tools.ports, run.require_lock))
        report = _Drill(load_stage(CUTOVER), tools, run, observer).go(capture)
        run.write(
            "drill.ended",
            {
                "ok": not report.why,
                "why": report.why,
                "version": version_of(tools) if not report.why else "",
                "back_seconds": report.back_seconds,
                "forth_seconds": report.forth_seconds,
            },
        )
        run.end(report.exit_code, report.why or heading.title)
        return report


def steps_back(
    tools: Toolbox, standing: Standing, load_stage: Callable[[int], Stage]
) -> tuple[Step, ...]:
    """What a drill would do first. Raises GateClosed and OnHold."""
    capture = _to_rehearse(standing, tools.env.name)
    stage = load_stage(CUTOVER)
    assert stage.inverse is not None
    return stage.inverse(tools.env, capture.facts)


class _Drill:
    def __init__(self, stage: Stage, tools: Toolbox, run: RunRecord, observer: Observer) -> None:
        self._stage = stage
        self._tools = tools
        self._run = run
        self._observer = observer
        self._report = DrillReport()

    def go(self, capture: Capture) -> DrillReport:
        stage, env, report = self._stage, self._tools.env, self._report
        assert stage.inverse is not None
        back = stage.inverse(env, capture.facts)
        report.back_seconds = self._steps("back", back, report.back)
        report.went_back = not report.why
        if not report.why:
            report.forth_seconds = self._steps("forth again", stage.plan(env), report.forth)
        if not report.why:
            self._verify()
        return report

    def _steps(self, way: str, steps: tuple[Step, ...], outcomes: list[StepOutcome]) -> float:
        stopwatch = Stopwatch()
        self._observer.notice(PhaseBegan(f"{PHASE}: {way}", len(steps)))
        for step in steps:
            outcome = run_step(
                PHASE, step, tools=self._tools, run=self._run, observer=self._observer
            )
            outcomes.append(outcome)
            if outcome.error is not None:
                self._report.why = f"{step.id}: {outcome.error.message}"
                break
        return stopwatch.seconds

    def _verify(self) -> None:
        checks = self._stage.verify(self._tools.env)
        self._observer.notice(PhaseBegan("verify", len(checks)))
        for check in checks:
            stopwatch = Stopwatch()
            finding = measure(check, self._tools)
            result = CheckResult(check, finding, seconds=stopwatch.seconds)
            self._report.verified.append(result)
            self._run.write("check", {"phase": PHASE, **check_data(result)})
            self._observer.notice(CheckEnded("verify", result))
        bad = [one.check.id for one in self._report.verified if not one.holds]
        if bad:
            self._report.why = f"after it: {', '.join(bad)}"


def _to_rehearse(standing: Standing, env: str) -> Capture:
    refused = hold_refusal(standing, env) or fault_refusal(standing, env)
    if refused is not None:
        raise refused
    mine = [one for one in standing.captures if one.stage == CUTOVER and one.can_be_rolled_back]
    if CUTOVER not in standing.passed or not mine:
        raise GateClosed(
            f"a drill undoes stage {CUTOVER} and does it again; it has not passed in {env}",
            hint=f"emonk-ops stage {CUTOVER} --env {env}",
        )
    return mine[0]


def refusal(env: str, production: bool) -> OpsError | None:
    """Why a drill may not be held there at all."""
    if not production:
        return None
    return GateClosed(
        f"a drill stops and starts the jobs of {env} for practice; that is not done in production",
        hint="emonk-ops rollback drill --env qa",
    )

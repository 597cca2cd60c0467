"""Makes a stage happen: gate, hold, lock, checks, capture, steps, verify, acceptance, recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import Interrupted, LockLost, OpsError, Refused
from emonk_ops.rollout.book import Book, Heading, RunRecord
from emonk_ops.rollout.checks import Checklist, Words, require_known
from emonk_ops.rollout.consequences import Consequences
from emonk_ops.rollout.events import CheckEnded, Noted, Observer, PhaseBegan, StageBegan
from emonk_ops.rollout.gates import closed_gates, require_gate_for_force, require_open_gate
from emonk_ops.rollout.guarded import GuardedPorts
from emonk_ops.rollout.model import CheckResult, Facts, Soak, Stage, Step
from emonk_ops.rollout.remembering import remember_new
from emonk_ops.rollout.report import StageReport, check_data
from emonk_ops.rollout.sentences import conclude
from emonk_ops.rollout.soaking import MOST_EXTENSIONS, Soaking, more_time
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
    force: bool = False  # pass a closed gate, for the reason given
    typed_along: str = ""  # options that the same command needs again
    consent: Consent = lambda _steps: None


def run_stage(
    stage: Stage, tools: Toolbox, book: Book, options: Options, observer: Observer
) -> StageReport:
    """Run the stage in the toolbox's environment and say how it went.

    Failures are in the report. Raises GateClosed, OnHold, Locked, LockLost, UsageError,
    StateDamaged, Unreachable (the journal) and Interrupted.
    """
    env = tools.env
    every = (*stage.checks(env), *stage.verify(env), *stage.acceptance(env))
    require_known(options.words, every)
    book.require_reachable()
    _require_gate(stage, book.standing(), env.name, options)
    heading = Heading("stage", f"stage {stage.number}: {stage.title}", stage.number, options.reason)
    with book.locked_run(heading) as run:
        standing = book.standing()
        _require_gate(stage, standing, env.name, options)
        attempt = _Attempt(stage, tools, run, book.standing, options, observer)
        if options.force:
            attempt.pass_by_force(closed_gates(stage, standing, env.name))
        return attempt.go()


def _require_gate(stage: Stage, standing: Standing, env: str, options: Options) -> None:
    if options.force:
        require_gate_for_force(stage, standing, env, options.reason)
    else:
        require_open_gate(stage, standing, env)


class _Attempt:
    """One run of one stage."""

    def __init__(
        self,
        stage: Stage,
        tools: Toolbox,
        run: RunRecord,
        read_standing: Callable[[], Standing],
        options: Options,
        observer: Observer,
    ) -> None:
        self._read_standing = read_standing
        standing = read_standing()
        self._stage = stage
        self._tools = tools = replace(
            tools,
            ports=GuardedPorts(tools.ports, run.require_lock),
            note=self._note,
            run_id=run.id,
        )
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
        self.report = StageReport(stage.number, stage.title, tools.env.name)
        self.report.typed_along = options.typed_along
        self._consequences = Consequences(stage, tools, run, self.report, observer)

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

    def pass_by_force(self, closed: tuple[Refused, ...]) -> None:
        """Write down which gates were closed and are passed nevertheless."""
        for gate in closed:
            body = {"gate": gate.code, "passed": gate.message, "reason": self._options.reason}
            self._run.write("forced", body)
            self.report.forced.append(gate.message)
            told = f"FORCED past the gate: {gate.message} ({self._options.reason})"
            self._observer.notice(Noted(told, warning=True))

    def _phases(self) -> None:
        stage, env = self._stage, self._tools.env
        if not self._may_begin():
            return
        steps, soak = stage.plan(env), stage.soak(env)
        soaking = self._soaking(soak, steps) if soak else None
        if soaking and self._goes_on():
            # What an earlier run began and verified: a step that would act again is drift, and what
            # was logged since is the soak's to judge.
            self._capture()
            ready = self._soaked(soaking)
        else:
            ready = self._prepared(steps) and self._verified()
            ready = ready and (soaking is None or self._soaked(soaking))
        if ready:
            self._accepted(soaking)

    def _may_begin(self) -> bool:
        """Whether the healthy time that the stage wants first is there; once begun, it was."""
        before = self._stage.soak_before(self._tools.env)
        number, standing = self._stage.number, self._standing
        if before is None:
            return True
        if number in standing.passed or standing.open_capture(number):
            self._tools.memo["soak"] = standing.soaks.get(number)
            return True
        return self._soaked(self._soaking(before, ()))

    def _prepared(self, steps: tuple[Step, ...]) -> bool:
        checks = self._stage.checks(self._tools.env)
        if not self._all_hold("checks", self._checklist.go_through("checks", checks)):
            return False
        if not steps:
            return True
        self._options.consent(steps)
        self._capture()
        return self._apply(steps)

    def _verified(self) -> bool:
        checks = self._stage.verify(self._tools.env)
        verified = self._checklist.go_through("verify", checks)
        if self._all_hold("verify", verified):
            return True
        self._consequences.of_failed_verify(verified)
        return False

    def _accepted(self, soaking: Soaking | None) -> None:
        checks = self._stage.acceptance(self._tools.env)
        while True:
            accepted = self._checklist.go_through("acceptance", checks)
            if self._all_hold("acceptance", accepted) or soaking is None:
                return
            more, why = more_time(accepted)
            if not more or soaking.extensions >= MOST_EXTENSIONS:
                return
            soaking.extend(more, why)
            del self.report.phases["acceptance"]
            if not self._soaked(soaking):
                return

    def _goes_on(self) -> bool:
        """Whether a soak is under way, or done and not accepted yet."""
        state = self._standing.soaks.get(self._stage.number)
        if state is None:
            return False
        accepted = self._stage.number in self._standing.passed
        return state.open or (state.ended == "done" and not accepted)

    def _soaking(self, soak: Soak, steps: tuple[Step, ...]) -> Soaking:
        return Soaking(
            soak,
            steps,
            stage=self._stage.number,
            tools=self._tools,
            run=self._run,
            current=lambda: self._read_standing().soaks.get(self._stage.number),
            observer=self._observer,
        )

    def _soaked(self, soaking: Soaking) -> bool:
        """Whether the soak is done. A breach has its consequence here."""
        stopwatch = Stopwatch()
        self._observer.notice(PhaseBegan("soak", 1))
        found = soaking.go_on()
        self._tools.memo["soak"] = found.state
        result = CheckResult(soaking.check, found.finding, seconds=stopwatch.seconds)
        self._run.write("check", {"phase": "soak", **check_data(result)})
        self._observer.notice(CheckEnded("soak", result))
        if self._all_hold("soak", [result]):
            return True
        if found.breach is not None:
            self._consequences.of_breach(found.breach)
        return False

    def _all_hold(self, phase: str, results: list[CheckResult]) -> bool:
        self.report.phases[phase] = results
        self.report.exit_code = exit_code_of(results)
        return all(result.holds for result in results)

    def _note(self, kind: str, body: Facts) -> None:
        self._run.write(kind, {"stage": self._stage.number, **body})

    def _capture(self) -> None:
        """Read the way back and write it down, unless an unfinished run already did."""
        kept = self._standing.open_capture(self._stage.number)
        if kept is not None:
            self._consequences.way_back = (kept.seq, kept.facts)
            self._consequences.changed_before = kept.changed
            self._consequences.begun_before = kept.can_be_rolled_back
            self._observer.notice(
                Noted(f"the way back is the one captured at {kept.at:%Y-%m-%d %H:%M:%S}Z")
            )
        elif self._stage.capture is not None:
            self._observer.notice(PhaseBegan("capture"))
            facts = self._stage.capture(self._tools)
            record = self._run.write("captured", {"stage": self._stage.number, "facts": facts})
            self._consequences.way_back = (record.seq, record.body["facts"])
            self._observer.notice(Noted("the way back is written down"))
            if why := remember_new(self._stage, self._tools, self._read_standing(), record.seq):
                self._observer.notice(Noted(why, warning=True))

    def _apply(self, steps: tuple[Step, ...]) -> bool:
        self._observer.notice(PhaseBegan("steps", len(steps)))
        for step in steps:
            outcome = run_step(
                "steps", step, tools=self._tools, run=self._run, observer=self._observer
            )
            self.report.steps.append(outcome)
            if outcome.error is not None:
                self._consequences.of_failed_step(outcome)
                return False
        return True

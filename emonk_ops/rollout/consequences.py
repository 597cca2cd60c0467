"""What follows when a stage breaks off: nothing, a hold, or the way back."""

from __future__ import annotations

from emonk_ops.errors import CloudError, ExitCode
from emonk_ops.rollout.book import RunRecord
from emonk_ops.rollout.events import Observer
from emonk_ops.rollout.model import Breach, CheckResult, Facts, Stage, Verdict
from emonk_ops.rollout.report import StageReport, StepOutcome
from emonk_ops.rollout.rollback import undo
from emonk_ops.toolbox import Toolbox


class Consequences:
    """Of one attempt at one stage. `way_back` is what it captured, or a run before it."""

    def __init__(
        self, stage: Stage, tools: Toolbox, run: RunRecord, report: StageReport, observer: Observer
    ) -> None:
        self._stage = stage
        self._tools = tools
        self._run = run
        self._report = report
        self._observer = observer
        self.way_back: tuple[int, Facts] | None = None
        self.changed_before = False
        self.begun_before = False

    def of_breach(self, breach: Breach) -> None:
        env = self._tools.env.name
        if self.way_back is None:
            # Nothing of this stage is there yet: what drives goes on, and a person looks.
            self._report.hint = f"emonk-ops status --env {env}, or emonk-ops rollback --env {env}"
            return
        reason = f"the soak was breached: {breach.criterion}: {breach.summary}"
        if self._tools.env.on_breach == "rollback":
            self._roll_back(reason)
        else:
            self._run.write("hold.set", {"reason": reason})
            self._report.hint = (
                f"emonk-ops rollback --env {env}, or mend it and: "
                f'emonk-ops resume --env {env} --reason "…"'
            )

    def of_failed_step(self, outcome: StepOutcome) -> None:
        error = outcome.error
        assert error is not None
        self._report.errors.append(error)
        self._report.exit_code = error.exit_code
        # When the cloud could not be asked and nothing was changed yet, the next run goes on.
        idle = outcome.step.local or isinstance(error, CloudError)
        if idle and not (self._run.changed or self.changed_before):
            return
        self._roll_back(f"step {outcome.step.id} failed: {error.message}")

    def of_failed_verify(self, results: list[CheckResult]) -> None:
        failed = [
            result.check.id
            for result in results
            if not result.holds and result.finding.verdict is Verdict.FAIL
        ]
        if failed and (self._run.changed or self.begun_before):
            self._roll_back(f"verify failed: {', '.join(failed)}")

    def _roll_back(self, reason: str) -> None:
        if self._stage.inverse is None or self.way_back is None:
            return
        seq, facts = self.way_back
        report = undo(
            self._stage.inverse(self._tools.env, facts),
            stage=self._stage.number,
            capture_seq=seq,
            reason=reason,
            tools=self._tools,
            run=self._run,
            observer=self._observer,
        )
        self._report.rollback = report
        self._report.exit_code = (
            ExitCode.ROLLED_BACK if report.complete else ExitCode.RESTORE_INCOMPLETE
        )

"""Answers a checklist: measures each line, and asks for a person's word where none can measure."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from emonk_ops.clock import Stopwatch
from emonk_ops.errors import Interrupted, LockLost, OpsError, UsageError
from emonk_ops.rollout.book import RunRecord
from emonk_ops.rollout.events import CheckBegan, CheckEnded, Observer, PhaseBegan
from emonk_ops.rollout.model import Attestation, Check, CheckResult, Finding, Verdict
from emonk_ops.rollout.report import check_data
from emonk_ops.rollout.standing import Standing
from emonk_ops.toolbox import Toolbox

Ask = Callable[[Check, Finding], str | None]
MAY_BE_ATTESTED = (Verdict.ASK, Verdict.ERROR)


@dataclass(frozen=True)
class Words:
    """Where a person's word may come from: `--confirm`, an earlier run, the terminal."""

    confirmed: Mapping[str, str] = field(default_factory=dict)
    ask: Ask | None = None


def require_known(words: Words, checks: Iterable[Check], of: str = "this stage") -> None:
    """Raises UsageError for a `--confirm` of a check that `of` does not have."""
    known = sorted({check.id for check in checks})
    for check_id in words.confirmed:
        if check_id not in known:
            near = difflib.get_close_matches(check_id, known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                f"--confirm {check_id}: {of} has no such check.{meant}",
                hint=f"Its checks: {', '.join(known)}",
            )


class Checklist:
    """Goes through the checks of one run's phases.

    Outside a stage (`stage=None`) no word of an earlier run counts: the checks are per run.
    """

    def __init__(
        self,
        *,
        stage: int | None,
        tools: Toolbox,
        run: RunRecord,
        standing: Standing,
        words: Words,
        observer: Observer,
    ) -> None:
        self._stage = stage
        self._tools = tools
        self._run = run
        self._standing = standing
        self._words = words
        self._observer = observer

    def go_through(self, phase: str, checks: tuple[Check, ...]) -> list[CheckResult]:
        """Every check, whatever the ones before it said; each is recorded with its evidence."""
        if checks:
            self._observer.notice(PhaseBegan(phase, len(checks)))
        return [self._answered(phase, check) for check in checks]

    def _answered(self, phase: str, check: Check) -> CheckResult:
        self._observer.notice(CheckBegan(phase, check))
        stopwatch = Stopwatch()
        finding = measure(check, self._tools)
        result = CheckResult(check, finding, seconds=stopwatch.seconds)
        if finding.verdict in MAY_BE_ATTESTED and not check.advisory:
            result = replace(result, attestation=self._attestation(check, finding))
        self._run.write("check", {"phase": phase, **check_data(result)})
        self._observer.notice(CheckEnded(phase, result))
        return result

    def _attestation(self, check: Check, finding: Finding) -> Attestation | None:
        word = self._words.confirmed.get(check.id)
        key = (self._stage, check.id) if self._stage is not None else None
        earlier = self._standing.attestations.get(key) if key else None
        over = given_over(finding)
        if word is None and earlier is not None and not check.per_run and earlier.over == over:
            return earlier
        if word is None and self._words.ask is not None:
            word = self._words.ask(check, finding)
        if not word:
            return None
        record = self._run.write(
            "attested",
            {
                "stage": self._stage,
                "check": check.id,
                "word": word,
                "over": over,
                "per_run": check.per_run,
            },
        )
        return Attestation(check.id, word, self._run.who.actor, record.at, over)


def measure(check: Check, tools: Toolbox) -> Finding:
    """The check's own answer; ERROR for what could not be asked; ASK where only a person can."""
    if check.measure is None:
        return Finding(Verdict.ASK, "only a person can say", hint=confirm_hint(check))
    try:
        finding = check.measure(tools)
    except (Interrupted, LockLost):
        raise
    except OpsError as error:
        finding = Finding(Verdict.ERROR, error.message, {"error": error.code}, error.hint)
    if finding.verdict in MAY_BE_ATTESTED and not finding.hint:
        return replace(finding, hint=confirm_hint(check))
    return finding


def given_over(finding: Finding) -> str:
    """A word on an API that is not offered must not silence another day's missing permission."""
    if finding.verdict is Verdict.ASK:
        return str(Verdict.ASK)
    return str(finding.facts.get("error") or Verdict.ERROR)


def confirm_hint(check: Check) -> str:
    return f'--confirm {check.id}="who says so, and why"'

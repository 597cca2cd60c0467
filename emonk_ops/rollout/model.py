"""What a stage is made of. Everything here is frozen data; the runner alone makes it happen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emonk_ops.toolbox import Toolbox

Facts = Mapping[str, Any]  # JSON-able evidence


class Verdict(StrEnum):
    """How a check was answered. Only PASS holds by itself."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"  # not enough evidence: never a pass
    ERROR = "ERROR"  # could not measure
    ASK = "ASK"  # a person must say
    WAITING = "WAITING"  # the evidence needs time that has not passed yet


@dataclass(frozen=True)
class Finding:
    """What a check measured: a verdict, one sentence, and evidence to judge it by again."""

    verdict: Verdict
    summary: str
    facts: Facts = field(default_factory=dict)
    hint: str = ""  # the next command or act
    wait_until: datetime | None = None  # WAITING: when asking again makes sense
    more_seconds: float | None = None  # INCONCLUSIVE: how much longer a soak would settle it


@dataclass(frozen=True)
class Attestation:
    """A person's recorded word on a check that no machine could answer."""

    check_id: str
    word: str
    who: str
    at: datetime
    over: str = "ASK"  # what it was given over: ASK, or the code of the error


@dataclass(frozen=True)
class Check:
    """One line of a checklist. `measure=None` means only a person can answer (ASK)."""

    id: str
    sentence: str  # the guide's line, or ours
    measure: Callable[[Toolbox], Finding] | None = None
    advisory: bool = False  # printed and recorded, never blocks
    inconclusive_is_advisory: bool = False  # a tendency that the environment calls advisory
    per_run: bool = False  # its attestation is only valid for the run in which it was given


@dataclass(frozen=True)
class CheckResult:
    """A check with its finding and, where one was given, the attestation over it."""

    check: Check
    finding: Finding
    attestation: Attestation | None = None
    seconds: float = 0.0

    @property
    def advisory(self) -> bool:
        """Whether this answer is told and does not block."""
        if self.check.advisory:
            return True
        tendency = self.check.inconclusive_is_advisory
        return tendency and self.finding.verdict is Verdict.INCONCLUSIVE

    @property
    def holds(self) -> bool:
        if self.finding.verdict is Verdict.PASS or self.advisory:
            return True
        may_attest = self.finding.verdict in (Verdict.ASK, Verdict.ERROR)
        return may_attest and self.attestation is not None


@dataclass(frozen=True)
class StepResult:
    """What a step did. `changed=False` says it was already so."""

    changed: bool
    summary: str
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One idempotent change: it checks, acts and reads back, and running it again is safe.

    `preview` only reads and says what would change (its diff in `facts["diff"]`), or that it is
    already so.
    """

    id: str
    title: str
    run: Callable[[Toolbox], StepResult]
    preview: Callable[[Toolbox], StepResult] | None = None
    budget_seconds: float | None = None  # printed against the time it took
    local: bool = False  # changes nothing in the cloud: when it fails, nothing is rolled back


class Reversibility(StrEnum):
    FULL = "full"
    PARTIAL = "partial"
    LOSSY = "lossy"
    NONE = "none"


@dataclass(frozen=True)
class Breach:
    """Something that must not be during a soak. One that is `certain` needs no second look."""

    criterion: str
    summary: str
    certain: bool = False
    facts: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class Look:
    """What a stretch of a soak showed. `covered_seconds` of it were seen, and healthy.

    `anew` says why the soak has to begin again behind it, if so.
    """

    since: datetime
    until: datetime
    covered_seconds: float
    breaches: tuple[Breach, ...] = ()
    summary: str = ""
    facts: Facts = field(default_factory=dict)
    anew: str = ""


@dataclass(frozen=True)
class Soak:
    """Healthy time, seen, that a stage wants between its verification and its acceptance.

    `about` says what the time belongs to: when it changes, the soak begins anew. `look` judges the
    time from `since` to `now` (the server's), in stretches that follow one another; it may end
    before `now`, for what is not written down yet. `guide_seconds` is what the guide asks for; a
    shorter soak is no evidence and says so.
    """

    id: str
    sentence: str
    needed_seconds: float
    guide_seconds: float
    every_seconds: float  # how often one that waits looks
    about: Callable[[Toolbox], Facts]
    look: Callable[[Toolbox, datetime, datetime], Iterable[Look]]
    # For one that looks back: since when it may count, as the journal tells; None: from now on.
    since: Callable[[Toolbox, Facts], datetime | None] = lambda _tools, _about: None


def soak_check(soak: Soak) -> Check:
    """The line of a stage that its soak answers."""
    return Check(f"soak-{soak.id}", soak.sentence)


def no_soak(_env: Any) -> Soak | None:
    """For a stage that is done when it is verified and accepted."""
    return None


@dataclass(frozen=True)
class Stage:
    """A stage of the rollout.

    gate -> checks -> plan -> apply -> verify -> soak -> acceptance -> recorded; what needs healthy
    time before it may change anything has its soak right behind the gate. `capture` reads the
    whole tuple that a rollback needs (job, revision, traffic, env, driver) before anything is
    changed; `inverse` computes the rollback's steps from it, purely.
    """

    number: int
    name: str
    title: str
    needs: tuple[int, ...]  # stages that must have passed in this environment
    checks: Callable[[Any], tuple[Check, ...]]  # settings -> checks
    plan: Callable[[Any], tuple[Step, ...]]  # settings -> steps
    verify: Callable[[Any], tuple[Check, ...]]  # failure rolls back
    acceptance: Callable[[Any], tuple[Check, ...]]  # failure is reported; the operator decides
    capture: Callable[[Toolbox], Facts] | None
    inverse: Callable[[Any, Facts], tuple[Step, ...]] | None  # settings, captured -> steps
    reversibility: Reversibility = Reversibility.FULL
    soak: Callable[[Any], Soak | None] = no_soak  # settings -> soak, behind the verification
    soak_before: Callable[[Any], Soak | None] = no_soak  # settings -> soak, before everything
    # Keeps a capture (seq, stage, at, facts) where a machine without the journal finds it.
    remember: Callable[[Toolbox, Facts], None] | None = None

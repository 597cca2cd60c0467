"""What an injection is made of: its plan, what it observes, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from emonk_ops.errors import ExitCode

Facts = Mapping[str, Any]  # JSON-able
Undo = Mapping[str, Any]  # one line of the way back: `kind`, and what that kind needs


class Verdict(StrEnum):
    """What came of an injection. Only PASS says that the service stood the fault."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"  # the fault was there, and the evidence says too little
    NOT_EXERCISED = "NOT_EXERCISED"  # the fault did not land, so nothing is known
    INTERRUPTED = "INTERRUPTED"
    RESTORE_FAILED = "RESTORE_FAILED"  # outranks all others


EXIT_CODES: dict[Verdict, ExitCode] = {
    Verdict.PASS: ExitCode.DONE,
    Verdict.FAIL: ExitCode.CHECK_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.NOT_EXERCISED: ExitCode.INCONCLUSIVE,
    Verdict.INTERRUPTED: ExitCode.INTERRUPTED,
    Verdict.RESTORE_FAILED: ExitCode.RESTORE_INCOMPLETE,
}
# The worst of several is the first of these that is among them.
WORST_FIRST = (
    Verdict.RESTORE_FAILED,
    Verdict.INTERRUPTED,
    Verdict.FAIL,
    Verdict.NOT_EXERCISED,
    Verdict.INCONCLUSIVE,
    Verdict.PASS,
)


class Radius(IntEnum):
    """Whom a fault can reach; an environment's `inject_radius` is the widest that is allowed."""

    CANARY = 0  # only the job that was made for it
    TICKS = 1  # every job may run later than planned
    INSTANCE = 2  # what one instance has in hand is cut off
    SERVICE = 3  # the whole service is without its storage


@dataclass(frozen=True)
class Observation:
    """One expectation against what was seen. `verdict` is PASS, FAIL or INCONCLUSIVE."""

    id: str
    expected: str  # the guide's line, or ours
    verdict: Verdict
    summary: str

    def to_data(self) -> dict[str, str]:
        return {
            "id": self.id,
            "expected": self.expected,
            "verdict": str(self.verdict),
            "summary": self.summary,
        }


@dataclass(frozen=True)
class Plan:
    """What would happen. `fault_seconds` is the longest that the fault can last with the tool
    alive, `restore_seconds` the longest until all is as before; `heals` says what ends the fault
    where the tool died, "" where nothing does.
    """

    radius: Radius
    touches: str
    fault_seconds: float
    restore_seconds: float
    heals: str
    undo: tuple[Undo, ...] = ()
    permissions: tuple[str, ...] = ()  # of the caller, to do it and to undo it

    def to_data(self) -> dict[str, Any]:
        return {
            "blast_radius": self.radius.name.lower(),
            "touches": self.touches,
            "fault_seconds": self.fault_seconds,
            "restore_seconds": self.restore_seconds,
            "heals": self.heals,
            "undo": [dict(one) for one in self.undo],
            "permissions": list(self.permissions),
        }


@dataclass(frozen=True)
class Outcome:
    """The end of one injection. `left` are the commands that undo what could not be undone."""

    id: str
    name: str
    verdict: Verdict
    summary: str
    observations: tuple[Observation, ...] = ()
    left: tuple[str, ...] = ()
    evidence: str = ""  # its name beside the journal
    facts: Facts = field(default_factory=dict)

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODES[self.verdict]

    def to_data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "verdict": str(self.verdict),
            "summary": self.summary,
            "observations": [one.to_data() for one in self.observations],
            "left": list(self.left),
            "evidence": self.evidence,
        }


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The one that counts; NOT_EXERCISED for none, since nothing was shown."""
    found = set(verdicts)
    return next((one for one in WORST_FIRST if one in found), Verdict.NOT_EXERCISED)


def judged(evidence: Facts, observations: tuple[Observation, ...]) -> Verdict:
    """The verdict by the evidence alone, so that it can be reached again offline."""
    if evidence.get("left"):
        return Verdict.RESTORE_FAILED
    if evidence.get("interrupted"):
        return Verdict.INTERRUPTED
    if not evidence.get("landed"):
        return Verdict.NOT_EXERCISED
    if evidence.get("error"):
        return worst((*(one.verdict for one in observations), Verdict.INCONCLUSIVE))
    return worst(one.verdict for one in observations)

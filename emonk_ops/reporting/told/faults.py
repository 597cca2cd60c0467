"""Every injected fault of a journal: its phases, the proof that it landed, what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.reporting.told.runs import CheckTold
from emonk_ops.rollout.records import Record

PHASES = ("intent", "injected", "landed", "restored", "ended")
LONGEST_PROOF = 3  # facts of it that are told


@dataclass
class FaultTold:
    """`phases` are instants by name; one that is missing did not come to be."""

    id: str
    run: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    bound_seconds: float | None = None  # the longest that fault and restore may take
    phases: dict[str, datetime] = field(default_factory=dict)
    proof: str = ""
    restored: bool | None = None  # None: nothing says so
    left: tuple[str, ...] = ()
    verdict: str = ""
    summary: str = ""
    observations: list[CheckTold] = field(default_factory=list)
    evidence: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        words = "".join(f" --{name} {value}" for name, value in self.options.items())
        return f"{self.name}{words}"

    @property
    def at(self) -> datetime:
        return min(self.phases.values())

    @property
    def until(self) -> datetime:
        return max(self.phases.values())

    @property
    def restore_seconds(self) -> float | None:
        """From the fault until all was known to be as before."""
        began, ended = self.phases.get("intent"), self.phases.get("restored")
        if began is None or ended is None or not self.restored:
            return None
        return (ended - began).total_seconds()


def faults_told(records: Iterable[Record]) -> list[FaultTold]:
    """In the order of their first records."""
    told: dict[str, FaultTold] = {}
    for record in records:
        kind, _, phase = record.kind.partition(".")
        if kind != "injection" or phase not in PHASES:
            continue
        body = record.body
        name = str(body.get("injection") or body.get("name") or "")
        fault = told.setdefault(str(body["id"]), FaultTold(str(body["id"]), record.run, name))
        fault.phases[phase] = record.at
        _fold(fault, phase, record)
    return list(told.values())


def _fold(fault: FaultTold, phase: str, record: Record) -> None:
    body = record.body
    match phase:
        case "intent":
            fault.options = body.get("options", {})
            plan = body.get("plan", {})
            fault.bound_seconds = float(plan.get("fault_seconds", 0.0)) + float(
                plan.get("restore_seconds", 0.0)
            )
            fault.restored = False
        case "landed":
            fault.proof = proof_words(body.get("proof") or {})
        case "restored":
            fault.restored = bool(body["ok"])
            fault.left = tuple(str(one) for one in body.get("left", ()))
        case "ended":
            fault.verdict, fault.summary = str(body["verdict"]), str(body["summary"])
            fault.evidence = str(body.get("evidence", ""))
            fault.sha256 = str(body.get("sha256", ""))
            fault.observations = [_observation(one, record, fault) for one in _observed(body)]


def _observed(body: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    found: Iterable[Mapping[str, Any]] = body.get("observations", ())
    return found


def _observation(one: Mapping[str, Any], record: Record, fault: FaultTold) -> CheckTold:
    verdict = str(one["verdict"])
    return CheckTold(
        run=record.run,
        stage=None,
        phase=f"injection {fault.id}",
        id=str(one["id"]),
        sentence=str(one.get("expected", "")),
        verdict=verdict,
        holds=verdict == "PASS",
        advisory=False,
        summary=str(one["summary"]),
        at=record.at,
        evidence=fault.evidence,
    )


def proof_words(proof: Mapping[str, Any]) -> str:
    """What was seen, in a line: values as they are, lists by their length."""
    told = [f"{name}: {_shown(value)}" for name, value in proof.items() if value not in (None, "")]
    return "; ".join(told[:LONGEST_PROOF])


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = [f"{name} {_shown(one)}" for name, one in value.items() if name in SAID]
        return ", ".join(inner) or f"{len(value)} facts"
    if isinstance(value, list):
        return f"{len(value)} of them ({_shown(value[0])})" if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else _instant(str(value))


SAID = ("at", "status", "seconds", "attempt", "job", "code")


def _instant(text: str) -> str:
    """A clock time for an instant; other texts as they are."""
    if len(text) < len("2026-01-01T00:00") or not text[:4].isdigit():
        return text
    try:
        return f"{datetime.fromisoformat(text):%H:%M:%S}Z"
    except ValueError:
        return text

"""From what was seen to the causes, the first one on top, and what that comes to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import ExitCode
from emonk_ops.operations.diagnosing.causes import BY_ID, CAUSES
from emonk_ops.operations.diagnosing.model import Cause, Issue, Named, named
from emonk_ops.operations.diagnosing.seen import Seen, hidden, unreachable
from emonk_ops.operations.diagnosing.symptoms import SYMPTOMS, Symptom
from emonk_ops.rollout.model import Finding, Verdict


@dataclass(frozen=True)
class Diagnosis:
    """What was measured, what is wrong, and what could not be seen."""

    seen: Seen
    symptoms: tuple[tuple[Symptom, Finding], ...]
    causes: tuple[Named, ...]
    repaired_at: datetime | None = None  # by --fix, within what was looked at

    @property
    def code(self) -> ExitCode:
        """Found: 1; the cloud is out of reach: 4; a part was not to be seen: 5; healthy: 0."""
        if self.causes or (self.failed and self.repaired_at is None):
            return ExitCode.CHECK_FAILED
        if unreachable(self.seen):
            return ExitCode.CLOUD
        unsure = any(one.verdict is not Verdict.PASS for _symptom, one in self.symptoms)
        return ExitCode.INCONCLUSIVE if unsure or hidden(self.seen) else ExitCode.DONE

    @property
    def failed(self) -> tuple[Issue, ...]:
        """The issues whose symptom is there."""
        return tuple(symptom.issue for symptom, one in self.symptoms if _fails(one))

    @property
    def sentence(self) -> str:
        if self.causes:
            more = f", and {len(self.causes) - 1} more" if len(self.causes) > 1 else ""
            return f"first cause: {self.causes[0].cause.id}{more}"
        if self.failed and self.repaired_at is not None:
            told = f"repaired at {self.repaired_at:%Y-%m-%d %H:%M:%S}Z, and nothing is wrong now; "
            return f"{told}what was measured lies before: look again behind the next tick"
        if self.failed:
            return f"{', '.join(self.failed)}: measured, but nothing seen says why"
        if unreachable(self.seen):
            return "the cloud could not be reached: nothing is known"
        if self.code is ExitCode.INCONCLUSIVE:
            return f"inconclusive: nothing wrong found in {self.looked_at}; {self.not_seen}"
        return f"nothing wrong found, in {self.looked_at}"

    @property
    def looked_at(self) -> str:
        """What was looked at, in one line."""
        seen, parts = self.seen, []
        if seen.log is not None:
            told = f"{len(seen.log.ticks)} ticks and {len(seen.log.requests)} requests since "
            parts.append(f"{told}{seen.since:%Y-%m-%d %H:%M}Z")
        if seen.jobs is not None:
            parts.append(f"{len(seen.jobs)} stored jobs")
        known = {
            "service": seen.service,
            "scheduler job": seen.job,
            "driver": seen.state,
            "health": seen.health,
            "access": seen.door,
        }
        parts += [name for name, value in known.items() if value is not None]
        return ", ".join(parts) or "nothing"

    @property
    def not_seen(self) -> str:
        missing = [f"{name} ({error.code})" for name, error in hidden(self.seen).items()]
        unsure = [
            f"{symptom.issue}: {one.summary}"
            for symptom, one in self.symptoms
            if one.verdict is Verdict.INCONCLUSIVE
        ]
        return f"not seen: {', '.join(missing)}" if missing else "; ".join(unsure)

    def to_data(self) -> dict[str, Any]:
        return {
            "since": self.seen.since,
            "until": self.seen.now,
            "conclusion": self.sentence,
            "causes": [one.to_data() for one in self.causes],
            "symptoms": [_symptom_data(symptom, one) for symptom, one in self.symptoms],
            "looked_at": self.looked_at,
            "not_seen": {name: error.message for name, error in self.seen.blind.items()},
        }


def diagnose(
    seen: Seen, issues: Iterable[Issue], *, repaired_at: datetime | None = None
) -> Diagnosis:
    """Pure: judges what was seen, for these issues of the guide.

    `repaired_at` is when `--fix` last changed something; what lies before may be over.
    """
    wanted = tuple(issues)
    symptoms = tuple((one, one.measure(seen)) for one in SYMPTOMS if one.issue in wanted)
    found = [
        named(cause, suspect, seen)
        for cause in CAUSES
        if set(cause.issues) & set(wanted) and (suspect := cause.look(seen)) is not None
    ]
    failed = {symptom.issue for symptom, one in symptoms if _fails(one)}
    recently = repaired_at is not None and repaired_at >= seen.since
    return Diagnosis(seen, symptoms, ranked(found, failed), repaired_at if recently else None)


def ranked(found: list[Named], failed: set[Issue]) -> tuple[Named, ...]:
    """Those whose symptom is there first; and a cause before what it explains, at any depth."""
    ordered = sorted(found, key=lambda one: not failed & set(one.cause.issues))
    rank = {one.cause.id: place for place, one in enumerate(ordered)}
    explained = {
        other.cause.id for one in ordered for other in ordered if explains(one.cause, other.cause)
    }
    return tuple(sorted(ordered, key=lambda one: (one.cause.id in explained, rank[one.cause.id])))


def explains(cause: Cause, other: Cause) -> bool:
    """Whether the other one follows from this one, at any depth."""
    return other is not cause and other.id in _explained(cause.id)


def _explained(cause: str) -> set[str]:
    found: set[str] = set()
    left = list(BY_ID[cause].explains)
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left += BY_ID[one].explains
    return found


def _fails(finding: Finding) -> bool:
    return finding.verdict is Verdict.FAIL


def _symptom_data(symptom: Symptom, finding: Finding) -> dict[str, Any]:
    return {
        "issue": str(symptom.issue),
        "words": symptom.words,
        "verdict": str(finding.verdict),
        "summary": finding.summary,
        "facts": dict(finding.facts),
    }

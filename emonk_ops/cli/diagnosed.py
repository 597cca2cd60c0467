"""A diagnosis in lines for a person, and as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emonk_ops.operations.diagnosing.diagnosis import Diagnosis
    from emonk_ops.operations.diagnosing.model import Named


def lines_of(found: Diagnosis) -> list[str]:
    """The conclusion first: who reads it may be half awake."""
    lines = [found.sentence]
    for number, one in enumerate(found.causes, 1):
        lines += cause_lines(number, one)
    lines.append("measured:")
    for symptom, finding in found.symptoms:
        lines.append(f"  {finding.verdict:12} {symptom.issue}: {finding.summary}")
    lines.append(f"looked at: {found.looked_at}")
    lines += [f"  not seen: {name}: {one.message}" for name, one in found.seen.blind.items()]
    return lines


def cause_lines(number: int, one: Named) -> list[str]:
    lines = [
        f"{number}. {one.cause.id}: {one.cause.sentence}",
        f"   evidence: {one.suspect.evidence}",
        f"   guide: {one.cause.resolution}",
        f"   see: {one.see}",
        f"   do: {one.command}",
    ]
    if one.cause.fix:
        lines.append(f"   --fix does it: {one.cause.fix}")
    return [*lines, f"   over when: {one.over}"]


def plain(found: Diagnosis) -> dict[str, object]:
    from emonk_ops.rollout.redaction import redacted

    data: dict[str, object] = redacted(found.to_data())
    return data

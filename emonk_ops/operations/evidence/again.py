"""Verdicts reached again from kept evidence alone, by the thresholds of then or by others."""

from __future__ import annotations

from collections.abc import Mapping

from emonk_ops.errors import StateDamaged
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.day import stretches, whole_of
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.operations.acceptance.verdicts import breached, criteria_findings
from emonk_ops.operations.evidence.files import HINT, Evidence
from emonk_ops.operations.evidence.heads import frame_of_head, jobs_of_head, rules_of_head
from emonk_ops.operations.evidence.keeping import PRODUCTION, REVIEWED, SHADOW
from emonk_ops.operations.evidence.saving import BREACH
from emonk_ops.operations.evidence.thresholds import Thresholds
from emonk_ops.operations.judging.certificate import certificate
from emonk_ops.operations.judging.comparison import Comparison
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.review.findings import measured_findings, reviewed_of
from emonk_ops.operations.shadow_acceptance import shadow_breached, shadow_findings
from emonk_ops.rollout.model import Finding

Findings = Mapping[str, Finding]


def judged_again(evidence: Evidence, purpose: str, thresholds: Thresholds) -> Findings:
    """By the names under which they were recorded. Raises StateDamaged."""
    try:
        if evidence.kind == SHADOW:
            return _shadow(evidence, purpose, thresholds)
        if evidence.kind == PRODUCTION:
            return _production(evidence, purpose, thresholds)
        if evidence.kind == REVIEWED:
            return measured_findings(reviewed_of(evidence.about, thresholds.review))
    except (KeyError, ValueError, TypeError) as error:
        told = f"the evidence {evidence.name} is damaged: {error!r}"
        raise StateDamaged(told, hint=HINT) from error
    raise StateDamaged(
        f"the evidence {evidence.name} is of a kind that this version does not know: "
        f"{evidence.kind!r}",
        hint="Update emonk-ops, and run the same command again",
    )


def _shadow(evidence: Evidence, purpose: str, thresholds: Thresholds) -> Findings:
    found: Findings = {}
    for part in evidence.parts():
        rules = rules_of_head(part.head, thresholds.shadow)
        jobs, path = jobs_of_head(part.head), str(part.head["tick_path"])
        spool = part.spool
        judgement = judge(spool, jobs, rules, spool.seen, path)
        if purpose == BREACH:
            found = shadow_breached(judgement)
            continue
        planted = certificate(spool, judgement, jobs, rules, spool.seen, path)
        found = shadow_findings(Comparison(judgement, planted))
    return found


def _production(evidence: Evidence, purpose: str, thresholds: Thresholds) -> Findings:
    criteria = Criteria(**{**evidence.about["criteria"], **thresholds.production})
    parts: list[Stretch] = []
    for part in evidence.parts():
        parts += stretches(part.spool, frame_of_head(part.head), part.spool.seen)
    if purpose == BREACH:
        return breached(parts, criteria)
    return criteria_findings(whole_of(parts), criteria)

"""Keeping what a shadow or a day of production was judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.day import Frame
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.evidence.files import Writer
from emonk_ops.operations.evidence.heads import frame_head, rules_head
from emonk_ops.operations.evidence.saving import save_evidence
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.rollout.model import Finding
from emonk_ops.tick.jobs import Job
from emonk_ops.toolbox import Toolbox

SHADOW, PRODUCTION, REVIEWED = "shadow", "production", "reviewed"


def keep_shadow(
    tools: Toolbox,
    purpose: str,
    spool: Spool,
    rules: Rules,
    jobs: Sequence[Job],
    verdicts: Mapping[str, Finding],
) -> str:
    """Its name; empty outside a run."""
    writer = Writer(SHADOW, {"env": tools.env.name})
    writer.add(spool, rules_head(rules, jobs, tools.env.service.tick_path))
    return save_evidence(
        tools,
        writer,
        kind=SHADOW,
        purpose=purpose,
        window=(rules.begin, rules.end),
        verdicts=verdicts,
    )


class ProductionKept:
    """Collects a day stretch by stretch as it is read, for it is read in parts."""

    def __init__(self, tools: Toolbox, criteria: Criteria) -> None:
        self._tools = tools
        about = {"env": tools.env.name, "criteria": asdict(criteria)}
        self._writer = Writer(PRODUCTION, about)
        self._frames: list[Frame] = []

    def add(self, spool: Spool, frame: Frame) -> None:
        self._writer.add(spool, frame_head(frame))
        self._frames.append(frame)

    def save(self, purpose: str, verdicts: Mapping[str, Finding]) -> str:
        """Its name; empty outside a run, or where nothing was read."""
        if not self._frames:
            return ""
        return save_evidence(
            self._tools,
            self._writer,
            kind=PRODUCTION,
            purpose=purpose,
            window=(self._frames[0].since, self._frames[-1].slots[-1]),
            verdicts=verdicts,
        )

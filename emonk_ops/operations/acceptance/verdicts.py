"""The findings of a day by their names, as they are recorded and reached again from evidence."""

from __future__ import annotations

from collections.abc import Iterable

from emonk_ops.operations.acceptance.breaches import breaches
from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.operations.acceptance.findings import CRITERIA
from emonk_ops.operations.acceptance.stretch import Stretch
from emonk_ops.rollout.model import Finding, Verdict


def criteria_findings(whole: Stretch, criteria: Criteria) -> dict[str, Finding]:
    return {name: judge(whole, criteria) for name, _, judge in CRITERIA}


def breached(parts: Iterable[Stretch], criteria: Criteria) -> dict[str, Finding]:
    """Each criterion that some stretch breaches, with the first one's words."""
    found: dict[str, Finding] = {}
    for one in parts:
        for breach in breaches(one, criteria):
            told = f"{one.since:%H:%M:%SZ} to {one.until:%H:%M:%SZ}: {breach.summary}"
            found.setdefault(breach.criterion, Finding(Verdict.FAIL, told))
    return found

"""What a report is made from: one environment's journal, and the evidence beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emonk_ops.rollout.records import Record
from emonk_ops.toolbox import Evidence


@dataclass(frozen=True)
class Subject:
    """One environment. `target` is "gcp" or "sandbox": what happened there proves other things."""

    env: str
    target: str
    project: str
    service: str
    records: Sequence[Record]
    evidence: Evidence

"""What the journal keeps of a rollback drill."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from emonk_ops.rollout.records import Record


@dataclass(frozen=True)
class Drill:
    """A rollback that was rehearsed and undone again; `seconds` is how long the way back took."""

    at: datetime
    seconds: float
    version: str  # of the tick service


def drill_of(record: Record) -> Drill | None:
    """The drill that a `drill.ended` tells of; None for one that did not go well."""
    body = record.body
    if not body["ok"]:
        return None
    return Drill(record.at, float(body["back_seconds"]), str(body["version"]))

"""What the journal tells of incidents: each with its run, and how it came to an end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from emonk_ops.rollout.records import Record


@dataclass(frozen=True)
class Incident:
    """What one run tells. `at` is the server's time of its first record, which is `seq`."""

    at: datetime
    kind: str  # rollback, emergency, partial rollback, hold, breach, failed restore
    what: str
    run: str
    seq: int


def incidents(records: Iterable[Record]) -> list[Incident]:
    """In the journal's order. A drill is no incident, and neither is a fault that was undone."""
    found: dict[str, Incident] = {}
    for one in records:
        kind, what = _told(one)
        if not kind:
            continue
        before = found.get(one.run)
        if before is None:
            found[one.run] = Incident(one.at, kind, what, one.run, one.seq)
        elif what not in before.what:
            found[one.run] = replace(before, what=f"{before.what}; {what}")
    return list(found.values())


def _told(record: Record) -> tuple[str, str]:
    """Its kind and its words; empty for what is no incident."""
    body = record.body
    match record.kind:
        case "rollback.started":
            kind = "emergency" if body.get("emergency") else "rollback"
            return kind, f"{kind} of stage {body['stage']}: {body['reason']}"
        case "rollback.partial":
            return "partial rollback", f"partial rollback: {body['reason']}"
        case "hold.set":
            return "hold", f"put on hold: {body['reason']}"
        case "soak.ended" if body["how"] == "breached":
            told = f"{body.get('criterion', '')}: {body.get('summary', '')}"
            return "breach", f"soak {body['soak']} breached: {told}"
        case "injection.restored" if not body["ok"]:
            left = "; ".join(str(one) for one in body.get("left", ()))
            return "failed restore", f"injected fault {body['id']} was not undone: {left}"
    return "", ""

"""An injection's verdict, reached again from what its run kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from emonk_ops.errors import StateDamaged
from emonk_ops.operations.injection.catalogue import judged_again
from emonk_ops.operations.injection.ending import summary_of
from emonk_ops.operations.injection.model import EXIT_CODES
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.rejudged import Said

ENDED = "injection.ended"
VERDICT = "verdict"  # of the whole; the other lines are its observations
Recorded = Mapping[str, tuple[str, str]]


def is_evidence(record: Record) -> bool:
    return record.kind == ENDED and bool(record.body.get("evidence"))


def injections_of(records: Iterable[Record], run: str) -> list[Record]:
    """What the run injected, whoever wrote its end down, and what it ended for others."""
    return [
        one
        for one in records
        if is_evidence(one) and (one.run == run or str(one.body["id"]).startswith(f"{run}-"))
    ]


def judged_injection(
    record: Record, blob: bytes
) -> tuple[dict[str, Any], Recorded, Mapping[str, Said]]:
    """What the evidence is, what was recorded, and what is reached now. Raises StateDamaged."""
    body, name = record.body, str(record.body["evidence"])
    recorded = {VERDICT: (str(body["verdict"]), str(body["summary"]))}
    for one in body["observations"]:
        recorded[str(one["id"])] = (str(one["verdict"]), str(one["summary"]))
    try:
        evidence = json.loads(blob)
        verdict, observations = judged_again(evidence)
        summary = summary_of(verdict, evidence, observations, tuple(body["left"]))
    except (KeyError, ValueError, TypeError) as error:
        raise StateDamaged(f"the evidence {name} is damaged: {error!r}") from error
    now = {VERDICT: Said(str(verdict), summary, EXIT_CODES[verdict])}
    for seen in observations:
        now[seen.id] = Said(str(seen.verdict), seen.summary, EXIT_CODES[seen.verdict])
    about = {
        "name": name,
        "sha256": body["sha256"],
        "bytes": len(blob),
        "kind": "injection",
        "purpose": str(body["name"]),
    }
    return about, recorded, now

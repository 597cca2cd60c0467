"""Evidence put away under a name, and named in the journal with its sum and its verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from emonk_ops.operations.evidence.files import Writer
from emonk_ops.rollout.model import Finding
from emonk_ops.toolbox import Toolbox

SAVED = "evidence.saved"
ACCEPTANCE, BREACH = "acceptance", "breach"
DAY_REVIEWED, REVIEW = "day-reviewed", "review"


def save_evidence(
    tools: Toolbox,
    writer: Writer,
    *,
    kind: str,
    purpose: str,
    window: tuple[datetime, datetime],
    verdicts: Mapping[str, Finding],
) -> str:
    """Its name; empty outside a run, where no journal could name it. Raises StateDamaged."""
    if tools.evidence is None or not tools.run_id:
        return ""
    name = f"{tools.run_id}.{kind}.{purpose}.{window[1]:%Y%m%dT%H%M%S}.jsonl.gz"
    blob = writer.blob()
    tools.note(
        SAVED,
        {
            "name": name,
            "sha256": tools.evidence.save(name, blob),
            "bytes": len(blob),
            "records": writer.records,
            "kind": kind,
            "purpose": purpose,
            "from": window[0].isoformat(),
            "until": window[1].isoformat(),
            "verdicts": {
                one: {"verdict": found.verdict.value, "summary": found.summary}
                for one, found in verdicts.items()
            },
        },
    )
    return name

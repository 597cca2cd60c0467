"""How an injection ends in the journal: its verdict in words, and the evidence beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from emonk_ops.operations.injection.model import Facts, Observation, Outcome, Verdict
from emonk_ops.operations.injection.restore import Restored
from emonk_ops.toolbox import Toolbox

DIED = "the command died"


def record(tools: Toolbox, outcome: Outcome, evidence: Facts) -> None:
    """Keep what the verdict was reached by, and write both down."""
    blob = json.dumps(evidence, indent=1, sort_keys=True, default=str).encode()
    digest = hashlib.sha256(blob).hexdigest()
    if tools.evidence is not None:
        digest = tools.evidence.save(f"injection-{outcome.id}.json", blob)
    tools.note("injection.ended", {**outcome.to_data(), "sha256": digest})


def record_restored(
    tools: Toolbox, injection_id: str, name: str, options: Mapping[str, Any], restored: Restored
) -> Outcome:
    """The end of an injection that could not tell its own: another command undid it."""
    evidence = {
        "injection": name,
        "options": dict(options),
        "interrupted": True,
        "died": DIED,
        "restored": list(restored.done),
        "left": [],
    }
    summary = summary_of(Verdict.INTERRUPTED, evidence, (), ())
    kept = f"injection-{injection_id}.json"
    outcome = Outcome(injection_id, name, Verdict.INTERRUPTED, summary, evidence=kept)
    record(tools, outcome, evidence)
    return outcome


def summary_of(
    verdict: Verdict,
    evidence: Facts,
    observations: tuple[Observation, ...],
    commands: tuple[str, ...],
) -> str:
    """The verdict in words. `commands` undo what is left."""
    match verdict:
        case Verdict.PASS:
            return f"all {len(observations)} expectations hold"
        case Verdict.RESTORE_FAILED:
            return f"{'; '.join(evidence['left'])}. Type: {' && '.join(commands)}"
        case Verdict.INTERRUPTED:
            return f"{evidence.get('died') or 'interrupted'}; everything is restored"
        case Verdict.NOT_EXERCISED:
            why = (evidence.get(name) for name in ("obstacle", "error", "missed"))
            return str(next((one for one in why if one), "it did not land"))
    short = [f"{one.id}: {one.summary}" for one in observations if one.verdict is verdict]
    return "; ".join(short) or str(evidence.get("error", ""))

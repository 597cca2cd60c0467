"""The figures of a run, for people."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from tests.chaos.accounts import FINAL
from tests.chaos.facts import FOREVER, Execution, History


def figures(history: History) -> dict[str, int]:
    """Counts of what happened, over all instances and jobs.

    Effects that came again in their slot: `again_after_end` after an attempt whose handler had
    ended (it failed, was timed out, or its result was lost), `again_after_crash` after one that
    nobody saw end.
    """
    by_key: dict[str, list[Execution]] = defaultdict(list)
    for run in history.executions:
        if run.effects:
            by_key[run.key].append(run)
    again = [
        before.end < FOREVER
        for runs in by_key.values()
        for before, _ in pairwise(sorted(runs, key=lambda run: run.begin))
    ]
    final = history.final.values()
    found = {
        "jobs": len(history.created),
        "slots": sum(job.counts.get(outcome, 0) for job in final for outcome in FINAL),
        "executions": len(history.executions),
        "again_after_end": sum(again),
        "again_after_crash": len(again) - sum(again),
        "beyond_lease": sum(at > run.until for run in history.executions for at in run.effects),
        "stale": sum(
            said.entry.get("message") == "Stale completion dropped" for said in history.said
        ),
        "rescued": sum(said.entry.get("message") == "Job rescued" for said in history.said),
        "claims_lost": sum(claim.verdict == "conflict" for claim in history.claims),
        "claims_unclear": sum(claim.verdict == "unclear" for claim in history.claims),
        "kills_at_points": sum(span.kind == "dead" and span.named for span in history.spans),
        "deaths": len({span.tag for span in history.spans if span.kind == "dead"}),
        "stops": sum(span.kind == "stopped" for span in history.spans),
        "ticks": len(history.ticks),
        "ticks_503": sum(status == 503 for _, status in history.ticks),
    }
    for outcome in ("succeeded", "failed", "dead", "released", "skipped", "coalesced"):
        found[outcome] = sum(job.counts.get(outcome, 0) for job in final)
    found.update({f"fault_{kind}": count for kind, count in sorted(history.faults.items())})
    return found

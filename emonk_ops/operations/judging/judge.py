"""The judge: records of a window in, one judgement out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from emonk_ops.operations.analysis.records import Attempt, Decision, Effect, Record, Request, Tick
from emonk_ops.operations.analysis.stream import Pass
from emonk_ops.operations.judging.invariants import coverage, invariants, scheduler_ticks
from emonk_ops.operations.judging.ledger import Ledger
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.tendencies import tendencies
from emonk_ops.operations.judging.verdicts import Judgement
from emonk_ops.operations.judging.witnesses import Witnesses
from emonk_ops.rollout.model import Verdict
from emonk_ops.tick.jobs import Job

WHOLE = ("log-is-whole", "slots-are-told")
TICK_PATH = "/cron/tick"


def judge(
    records: Iterable[Record],
    jobs: Sequence[Job],
    rules: Rules,
    seen: Pass,
    tick_path: str = TICK_PATH,
) -> Judgement:
    """Judge the records, which come in order; `seen` is the pass that they come from."""
    ledger = Ledger(jobs, rules, seen.coverage)
    witnesses = Witnesses(rules, tick_path)
    for record in records:
        if isinstance(record, (Decision, Effect)):
            if record.at < rules.end:
                ledger.feed(record)
        elif isinstance(record, (Tick, Request, Attempt)):
            witnesses.feed(record)
            if isinstance(record, Tick):
                ledger.tick(record)
    ledger.close()
    witnesses.close()
    covered = tuple(coverage(ledger, witnesses, seen, rules))
    lacking = (one.name for one in covered if one.name in WHOLE and one.verdict is not Verdict.PASS)
    rulings = (
        *invariants(ledger, lacking=next(lacking, "")),
        scheduler_ticks(witnesses),
        *covered,
        *tendencies(ledger.pairs, witnesses, rules),
    )
    return Judgement(
        rulings,
        {name.value: count for name, count in ledger.classes.items() if count},
        {
            "from": rules.begin.isoformat(),
            "to": rules.end.isoformat(),
            "hours": round(rules.hours, 3),
            "jobs": len(jobs),
            "entries": seen.entries,
            "effects_logged": ledger.effects,
        },
    )

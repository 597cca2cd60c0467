"""What one counter-example refutes, and whether enough was seen to say so."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.operations.analysis.stream import Pass
from emonk_ops.operations.judging.ledger import Ledger
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.slots import SlotClass
from emonk_ops.operations.judging.verdicts import Ruling, few
from emonk_ops.operations.judging.witnesses import ALL, Witnesses
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.verdicts import error_rate_bound

INVARIANTS: tuple[tuple[str, tuple[SlotClass, ...], str], ...] = (
    ("nothing-lost", (SlotClass.LOST,), "slots were run by neither path"),
    (
        "nothing-twice",
        (SlotClass.DUPLICATE_EXECUTION, SlotClass.DUPLICATE_EFFECT),
        "slots were executed, or had their effect, more than once",
    ),
    ("nothing-early", (SlotClass.EARLY,), "slots began before their time"),
    ("nothing-unexpected", (SlotClass.EXTRA,), "runs belong to no slot of their job's schedule"),
    (
        "ticks-run-their-slots",
        (SlotClass.MISSED_BY_TICK,),
        "slots of Cloud Scheduler's were run by the loop, or late",
    ),
)


def invariants(ledger: Ledger, *, lacking: str) -> Iterator[Ruling]:
    """Where something is `lacking` of the log, nobody can say that a thing did not happen."""
    n = ledger.judged
    for name, classes, told in INVARIANTS:
        count = sum(ledger.classes[one] for one in classes)
        shown = [text for one in classes for text in ledger.examples.get(one, [])]
        facts: dict[str, object] = {"n": n, "count": count, "examples": shown}
        if count:
            verdict, summary = Verdict.FAIL, f"{count} of {n} {told}: {few(shown, count)}"
        elif n == 0:
            verdict, summary = Verdict.INCONCLUSIVE, "no slot of a job could be judged"
            facts["more_seconds"] = ledger.horizon_seconds
        elif lacking:
            verdict, summary = Verdict.INCONCLUSIVE, f"0 in {n} slots, but {lacking} does not hold"
        else:
            bound = error_rate_bound(n)
            verdict = Verdict.PASS
            summary = f"0 in {n} slots; the true rate is below {bound:.1%} (95 %)"
            facts["bound"] = round(bound, 5)
        yield Ruling(name, "invariant", verdict, summary, facts)


def scheduler_ticks(seen: Witnesses) -> Ruling:
    """Whether every tick came, by three witnesses that agree."""
    totals = {name: seen.totals[name] for name in ALL}
    facts = {
        "n": seen.expected,
        "missed": seen.missed_count,
        "disputed": dict(seen.disputed),
        "witnesses": totals,
        "repeated": seen.repeated,
        "off_slot": seen.off_slot,
    }
    absent = [name for name in ALL if not totals[name]]
    told = ", ".join(f"{name} {count}" for name, count in totals.items())
    if len(absent) < 2 and seen.missed_count:
        examples = [f"{one:%H:%M:%SZ}" for one in seen.missed]
        summary = (
            f"{seen.missed_count} of {seen.expected} ticks were seen by nobody: "
            f"{few(examples, seen.missed_count)}"
        )
        return Ruling("every-tick-came", "invariant", Verdict.FAIL, summary, facts)
    if absent:
        summary = f"no line of these witnesses: {', '.join(absent)}"
    elif seen.expected == 0:
        summary = "no tick was expected in this window"
    elif seen.disputed:
        parts = [f"{count} not in {blind}" for blind, count in seen.disputed.items()]
        summary = f"the witnesses disagree over {seen.expected} ticks ({told}): {'; '.join(parts)}"
    else:
        bound = error_rate_bound(seen.expected)
        summary = f"{seen.agreed} of {seen.expected} ({told}); missed below {bound:.1%} (95 %)"
        return Ruling("every-tick-came", "invariant", Verdict.PASS, summary, facts)
    return Ruling("every-tick-came", "invariant", Verdict.INCONCLUSIVE, summary, facts)


def coverage(ledger: Ledger, witnesses: Witnesses, seen: Pass, rules: Rules) -> Iterator[Ruling]:
    yield _lines(seen, rules)
    yield _slots(ledger, rules)
    yield _loop(ledger, witnesses, rules)


def _lines(seen: Pass, rules: Rules) -> Ruling:
    """Any missing line could have been the one that matters."""
    found, quiet = seen.coverage, rules.interval_seconds * 2 + rules.punctual_seconds
    gaps = found.gaps(rules.begin)
    lost = sum(lines for _, _, lines in gaps)
    cut = found.cut_off(rules.begin, rules.end, quiet)
    total = found.seen + lost
    share = found.seen / total if total else 0.0
    wrong = [
        f"{lost} lines are missing in {len(gaps)} gaps" if lost else "",
        f"{found.unnumbered} lines carry no instance and sequence" if found.unnumbered else "",
        f"{seen.unreadable} lines cannot be read ({seen.first_unreadable})"
        if seen.unreadable
        else "",
        f"{seen.disorder.late} lines are too far out of order" if seen.disorder.late else "",
        *cut,
    ]
    facts = {
        "seen": found.seen,
        "missing": lost,
        "share": round(share, 4),
        "repeated": seen.repeated,
        "instances": len(found.instances),
    }
    told = "; ".join(one for one in wrong if one)
    if not total:
        told = "no numbered line of the service"
    verdict = Verdict.INCONCLUSIVE if told else Verdict.PASS
    summary = told or f"all {total} numbered lines of {len(found.instances)} instances are there"
    return Ruling("log-is-whole", "coverage", verdict, f"{summary} (coverage {share:.1%})", facts)


def _slots(ledger: Ledger, rules: Rules) -> Ruling:
    n, open_ends = ledger.judged, ledger.classes[SlotClass.INCOMPLETE]
    facts: dict[str, object] = {
        "n": n,
        "incomplete": open_ends,
        "edge": ledger.classes[SlotClass.EDGE],
        "folded": ledger.classes[SlotClass.FOLDED],
        "recovered": ledger.recovered,
        "undefined": dict(ledger.undefined),
        "hours": round(rules.hours, 3),
    }
    wrong = []
    if rules.hours < rules.least_hours:
        wrong.append(f"{rules.hours:.2f} h is less than {rules.least_hours:g} h")
    if open_ends:
        shown = ledger.examples.get(SlotClass.INCOMPLETE, [])
        wrong.append(f"nobody knows how {open_ends} slots ended: {few(shown, open_ends)}")
    unknown = sorted(name for name, count in ledger.undefined.items() if count)
    if unknown:
        wrong.append(f"ran without a definition: {few(unknown[:5], len(unknown))}")
    if ledger.unshadowed:
        wrong.append(f"{ledger.unshadowed} ticks ran while one path drove alone")
    if n == 0:
        if not wrong:
            facts["more_seconds"] = ledger.horizon_seconds
        wrong.append("no slot could be judged")
    told = "; ".join(wrong) or f"{n} slots in {rules.hours:.1f} h, each with its end"
    verdict = Verdict.INCONCLUSIVE if wrong else Verdict.PASS
    return Ruling("slots-are-told", "coverage", verdict, told, facts)


def _loop(ledger: Ledger, witnesses: Witnesses, rules: Rules) -> Ruling:
    """The loop is what is compared with, so it has to be well itself."""
    n, missed = witnesses.loop_expected, ledger.classes[SlotClass.MISSED_BY_LEGACY]
    facts = {"n": n, "ticks": witnesses.loop_ticks, "missed_slots": missed}
    ruled = ("loop-is-alive", "coverage")
    if n == 0 or witnesses.loop_ticks < rules.least_share * n:
        told = f"the loop ticked {witnesses.loop_ticks} times in {n} intervals"
        return Ruling(*ruled, Verdict.INCONCLUSIVE, f"{told}: nothing to compare with", facts)
    if missed:
        shown = few(ledger.examples.get(SlotClass.MISSED_BY_LEGACY, []), missed)
        told = f"the loop missed {missed} slots of its own: {shown}"
        return Ruling(*ruled, Verdict.INCONCLUSIVE, told, facts)
    told = f"{witnesses.loop_ticks} ticks in {n} intervals, and no slot of its own missed"
    return Ruling(*ruled, Verdict.PASS, told, facts)

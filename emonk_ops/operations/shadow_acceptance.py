"""The guide's eight lines of stage 3, each answered by rulings over the soak's whole window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from emonk_ops.operations.evidence.keeping import keep_shadow
from emonk_ops.operations.evidence.saving import ACCEPTANCE
from emonk_ops.operations.judging.comparison import Comparison
from emonk_ops.operations.judging.verdicts import Judgement, Ruling
from emonk_ops.operations.shadow_window import (
    MEMO,
    ShadowWindow,
    jobs_of_service,
    judged,
    read,
    rules_for,
)
from emonk_ops.rollout.model import Check, Finding, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

WORST = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE)

# The guide's line, and the rulings that answer it.
LINES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    (
        "same-jobs",
        "Both paths execute the same jobs",
        ("nothing-lost", "nothing-unexpected", "ticks-run-their-slots", "slots-are-told"),
    ),
    ("no-double-effects", "No duplicate side effects (posts, API calls)", ("nothing-twice",)),
    (
        "comparable-timing",
        "Execution timing is comparable",
        ("nothing-early", "durations", "lateness"),
    ),
    ("similar-errors", "Error rates are similar", ("job-errors", "tick-errors")),
    (
        "shadow-without-issues",
        "Shadow mode runs for at least 1 hour without issues",
        ("every-tick-came", "loop-is-alive", "log-is-whole"),
    ),
)
DETECTION = "Duplicate detection works (no double-posting)"
MATCHES = "Cloud Scheduler path matches legacy behavior"
TENDENCY_LINES = ("comparable-timing", "similar-errors", "scheduler-matches-legacy")


def acceptance_checks(env: Environment) -> tuple[Check, ...]:
    advisory = env.advisory_tendencies
    lines = tuple(
        Check(
            name,
            sentence,
            _by_rulings(rulings),
            inconclusive_is_advisory=advisory and name in TENDENCY_LINES,
        )
        for name, sentence, rulings in LINES
    )
    return (
        *lines,
        Check("duplicate-detection", DETECTION, duplicate_detection),
        Check(
            "scheduler-matches-legacy",
            MATCHES,
            scheduler_matches_legacy,
            inconclusive_is_advisory=advisory,
        ),
    )


def window(tools: Toolbox) -> ShadowWindow:
    """The soak's window, judged with its certificate; once in a run for each length of it."""
    soak = tools.memo["soak"]
    known = tools.memo.get(MEMO)
    if isinstance(known, ShadowWindow) and known.until == soak.until:
        return known
    jobs = jobs_of_service(tools)
    with read(tools, soak.began_at, soak.until) as spool:
        comparison = judged(tools, spool, jobs, soak.began_at, soak.until, certified=True)
        rules = rules_for(tools, soak.began_at, soak.until)
        keep_shadow(tools, ACCEPTANCE, spool, rules, jobs, shadow_findings(comparison))
    found = ShadowWindow(soak.began_at, soak.until, jobs, comparison)
    tools.memo[MEMO] = found
    return found


def shadow_findings(comparison: Comparison) -> dict[str, Finding]:
    """The rulings, and the guide's lines by the ids of their checks."""
    rulings = comparison.judgement.rulings
    return {
        **{one.name: Finding(one.verdict, one.summary, one.facts) for one in rulings},
        **{name: _line(comparison, names) for name, _, names in LINES},
        "duplicate-detection": _detects_duplicates(comparison),
        "scheduler-matches-legacy": summed_up(rulings),
    }


def shadow_breached(judgement: Judgement) -> dict[str, Finding]:
    """The rulings that failed."""
    return {
        one.name: Finding(one.verdict, one.summary, one.facts)
        for one in judgement.rulings
        if one.verdict is Verdict.FAIL
    }


def _by_rulings(names: tuple[str, ...]) -> Callable[[Toolbox], Finding]:
    return lambda tools: _line(window(tools).comparison, names)


def _line(comparison: Comparison, names: tuple[str, ...]) -> Finding:
    return summed_up([one for one in comparison.judgement.rulings if one.name in names])


def duplicate_detection(tools: Toolbox) -> Finding:
    """Nothing ran twice although both paths asked for the same jobs, and the judge would know."""
    found = _detects_duplicates(window(tools).comparison)
    if found.verdict is Verdict.INCONCLUSIVE and not found.facts.get("certificate", True):
        # No run of a tick is old enough yet to try the judge with.
        soak = tools.memo["soak"]
        rules = rules_for(tools, soak.began_at, soak.until)
        return replace(found, more_seconds=rules.horizon.total_seconds())
    return found


def _detects_duplicates(found: Comparison) -> Finding:
    twice = next(one for one in found.judgement.rulings if one.name == "nothing-twice")
    if twice.verdict is not Verdict.PASS:
        return summed_up([twice])
    planted = {one.name: list(one.caught_by) for one in found.certificate}
    missed = [name for name, caught in planted.items() if not caught and "doubled" in name]
    facts = {**dict(twice.facts), "certificate": planted}
    if not planted or missed:
        told = f"{twice.summary}; but one planted into this log would not have been noticed"
        return Finding(Verdict.INCONCLUSIVE, told, facts)
    return Finding(Verdict.PASS, f"{twice.summary}; one planted into this log is noticed", facts)


def scheduler_matches_legacy(tools: Toolbox) -> Finding:
    return summed_up(window(tools).comparison.judgement.rulings)


def summed_up(rulings: Sequence[Ruling]) -> Finding:
    """The worst verdict, the sentences that made it, and how much longer would settle it."""
    worst = next(
        (verdict for verdict in WORST if any(one.verdict is verdict for one in rulings)),
        Verdict.PASS,
    )
    shown = [one for one in rulings if one.verdict is worst]
    summary = "; ".join(f"{one.name}: {one.summary}" for one in shown)
    if worst is Verdict.PASS and len(rulings) > 1:
        summary = f"all {len(rulings)} rulings hold: {', '.join(one.name for one in rulings)}"
    facts: dict[str, Any] = {one.name: {**one.facts, "said": one.summary} for one in rulings}
    more = _more_seconds(shown) if worst is Verdict.INCONCLUSIVE else None
    return Finding(worst, summary, facts, more_seconds=more)


def _more_seconds(rulings: Sequence[Ruling]) -> float | None:
    """None where one of them would not be settled by time."""
    wanted = [one.facts.get("more_seconds") for one in rulings]
    known = [one for one in wanted if isinstance(one, float)]
    return max(known) if known and len(known) == len(wanted) else None

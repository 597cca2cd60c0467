"""What was measured of performance, and where it came near a limit or over a budget."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.operations.acceptance.criteria import Criteria
from emonk_ops.rollout.injections import PASS
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.retrospective_edges import Days
from emonk_ops.rollout.retrospective_told import Sentence, Told, day, said

# Of the acceptance and the review: the newest answer of each is told as it was recorded.
MEASURED = ("latency-p99", "within-cadence", "cost", "firestore-cost", "success-rate")
NEAR = 0.5  # of the limit


def performance(told: Told, days: Days) -> Iterator[Sentence]:
    """Measurements first, then what they say should be better."""
    yield from _answers(told)
    yield from _latency(days)
    yield from _ways_back(told)
    yield from _suites(told)
    yield from _over_budget(told)


def _answers(told: Told) -> Iterator[Sentence]:
    newest: dict[str, Record] = {}
    for one in told.of("check"):
        if one.body["id"] in MEASURED and one.body["phase"] in ("acceptance", "review"):
            newest[str(one.body["id"])] = one
    for name, one in newest.items():
        yield Sentence(f"{name}, measured on {day(one.at)}: {said(one.body['summary'])}.", (one,))


def _latency(days: Days) -> Iterator[Sentence]:
    known = [(one.latency.p99, record, one) for record, one in days if one.latency.p99 is not None]
    if not known:
        return
    known.sort(key=lambda one: one[0])
    (best, _, _), (worst, record, digest) = known[0], known[-1]
    limit = Criteria().latency_p99_seconds
    yield Sentence(
        f"The tick endpoint's p99 was {best:.3f} to {worst:.3f} s by the day, over {len(known)} "
        f"days; the worst was {digest.day}.",
        (record, *(one for _, one, _ in known[:-1])),
    )
    if worst >= NEAR * limit:
        yield Sentence(
            f"Improvement: on {digest.day} the p99 of {worst:.3f} s came near the limit of "
            f"{limit:g} s, or over it.",
            (record,),
        )


def _ways_back(told: Told) -> Iterator[Sentence]:
    for one in told.of("rollback.ended", "drill.ended"):
        body = one.body
        if not body["ok"]:
            continue
        if one.kind == "drill.ended":
            yield Sentence(
                f"The drill of {day(one.at)} went back in {body['back_seconds']:.1f} s and forth "
                f"in {body['forth_seconds']:.1f} s.",
                (one,),
            )
        elif "seconds" in body:
            yield Sentence(
                f"The rollback of stage {body['stage']} on {day(one.at)} took "
                f"{body['seconds']:.1f} s.",
                (one,),
            )


def _suites(told: Told) -> Iterator[Sentence]:
    for one in told.of("injection.suite"):
        parts = one.body["parts"]
        good = sum(part["verdict"] == PASS for part in parts)
        yield Sentence(
            f"Of the {len(parts)} injections of the suite {one.body['suite']} on {day(one.at)}, "
            f"{good} passed.",
            (one,),
        )


def over_budget(told: Told) -> dict[str, list[Record]]:
    """The runs of each step that took longer than its budget, by the step's id."""
    found: dict[str, list[Record]] = {}
    for one in told.of("step.ended", "rollback.step.ended", "drill.step.ended"):
        budget = one.body.get("budget_seconds")
        if budget and one.body["seconds"] > budget:
            found.setdefault(str(one.body["id"]), []).append(one)
    return found


def _over_budget(told: Told) -> Iterator[Sentence]:
    for name, found in over_budget(told).items():
        worst = max(found, key=lambda one: float(one.body["seconds"]))
        times = f"{len(found)} times" if len(found) > 1 else "once"
        yield Sentence(
            f"Improvement: the step {name} took longer than its budget {times}, at most "
            f"{worst.body['seconds']:.1f} of {worst.body['budget_seconds']:g} s.",
            (worst, *(one for one in found if one is not worst)),
        )

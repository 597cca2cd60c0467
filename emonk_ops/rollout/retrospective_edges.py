"""Edge cases that nobody had planned for, as the journal has them."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.operations.review.digest import DayDigest
from emonk_ops.rollout.injections import PASS
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.retrospective_told import Sentence, Told, day, said
from emonk_ops.rollout.spool import MARK

ODD = {
    "lost_race": "claims lost a race and ran nothing",
    "stale": "results came after their lease and were dropped",
    "transient": "transient errors of the storage were met",
    "lasting": "lasting errors of the storage were met",
    "dead": "jobs were given up as dead",
    "late_count": "jobs ended late",
}
Days = list[tuple[Record, DayDigest]]


def edges(told: Told, days: Days) -> Iterator[Sentence]:
    """What injections showed, what was forced, begun anew or taken on somebody's word."""
    for one in told.records:
        if text := _edge(one):
            yield Sentence(f"{day(one.at)}: {text}", (one,))
    yield from _odd_days(days)


def _edge(record: Record) -> str:
    body = record.body
    match record.kind:
        case "injection.ended" if body["verdict"] != PASS:
            return f"the injection {body['name']} ended {body['verdict']}: {said(body['summary'])}."
        case "forced":
            return f"a closed gate was passed by force ({body['passed']}): {said(body['reason'])}."
        case "soak.ended" if str(body["how"]).startswith("began anew"):
            return f"the soak {body['soak']} {said(body['how'])}."
        case "soak.extended":
            return f"the soak {body['soak']} was extended: {said(body['why'])}."
        case "attested" if body["over"] != "ASK":
            return (
                f"{body['check']} could not be measured ({body['over']}); a person's word was "
                f"taken: {said(body['word'])}."
            )
        case "run.started":
            return _start(record)
    return ""


def _start(record: Record) -> str:
    body = record.body
    title = body["title"]
    if body.get("took_over"):
        return f"{title} took over the lock of a process that had died: {body['took_over']}."
    if body.get("locked_here_only"):
        return f"{title} was locked on its machine only: {body['locked_here_only']}."
    if body.get(MARK):
        return f"{title} was written down on its machine while the journal was out of reach."
    return ""


def _odd_days(days: Days) -> Iterator[Sentence]:
    for record, one in days:
        if one.gap:
            yield Sentence(f"The log of {one.day} does not cover the day: {one.gap}.", (record,))
    for name, words in ODD.items():
        hit = [(record, int(one.sums[name])) for record, one in days if one.sums[name]]
        if hit:
            total = sum(count for _, count in hit)
            text = f"{total:,} {words}, on {len(hit)} of {len(days)} reviewed days."
            yield Sentence(text, tuple(record for record, _ in hit))

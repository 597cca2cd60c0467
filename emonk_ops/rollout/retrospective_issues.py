"""Issues that the journal tells of, each with how it was resolved."""

from __future__ import annotations

from collections.abc import Iterator

from emonk_ops.rollout.incidents import Incident, incidents
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.retrospective_told import Sentence, Told, day, said, took

UNKNOWN = "how it was resolved is not in the journal"


def issues(told: Told) -> Iterator[Sentence]:
    """Incidents first, then checks that did not hold and steps that broke."""
    for one in incidents(told.records):
        yield _incident(told, one)
    yield from _checks(told)
    yield from _steps(told)


def _incident(told: Told, incident: Incident) -> Sentence:
    record = told.by_seq(incident.seq)
    parts, known = [], [record]
    for text, by in _resolutions(told, record):
        parts.append(text)
        known.append(by)
    resolved = "; ".join(parts) or UNKNOWN
    return Sentence(
        f"{day(incident.at)}: {said(incident.what)}. Resolution: {resolved}.", tuple(known)
    )


def _resolutions(told: Told, record: Record) -> Iterator[tuple[str, Record]]:
    run = [one for one in told.after(record, "rollback.ended") if one.run == record.run]
    for one in run[:1]:
        left = ", ".join(str(name) for name in one.body.get("left", ()))
        seconds = float(one.body.get("seconds", 0.0))
        word = (
            f"rolled back in {seconds:.1f} s" if one.body["ok"] else f"not complete, left: {left}"
        )
        yield word, one
    if record.kind == "injection.restored":
        again = told.after(record, "injection.restored")
        ours = (one for one in again if one.body["id"] == record.body["id"] and one.body["ok"])
        if (undone := next(ours, None)) is not None:
            yield f"undone after {took(record, undone)}", undone
        return
    lifted = next(told.after(record, "hold.lifted"), None)
    if lifted is not None:
        yield f"on hold for {took(record, lifted)}, lifted: {said(lifted.body['reason'])}", lifted
    stage = record.body.get("stage")
    if stage is None:
        return
    passed = next((one for one in told.passes(int(stage)) if one.seq > record.seq), None)
    if passed is not None:
        yield f"stage {stage} passed on {day(passed.at)}", passed


def _checks(told: Told) -> Iterator[Sentence]:
    """One sentence for each check that failed, however many runs of its stage it was in."""
    failed: dict[tuple[str, str], list[Record]] = {}
    for one in told.of("check"):
        place = told.place_of(one)
        if place and one.body["verdict"] == "FAIL" and not one.body["holds"]:
            failed.setdefault((place, str(one.body["id"])), []).append(one)
    for (place, name), found in failed.items():
        first, last = found[0], found[-1]
        held = next(
            (
                one
                for one in told.after(last, "check")
                if one.body["id"] == name and one.body["holds"] and told.place_of(one) == place
            ),
            None,
        )
        resolved = (
            UNKNOWN if held is None else f"it held on {day(held.at)}: {said(held.body['summary'])}"
        )
        times = f"in {len(found)} runs, first " if len(found) > 1 else ""
        what = said(first.body["summary"])
        yield Sentence(
            f"{place}: {name} failed {times}on {day(first.at)}: {what}. Resolution: {resolved}.",
            (first, *([held] if held else []), *found[1:]),
        )


def _steps(told: Told) -> Iterator[Sentence]:
    for one in told.of("step.failed", "rollback.step.failed", "drill.step.failed"):
        name = one.body["id"]
        kind = one.kind.replace("failed", "ended")
        done = next((more for more in told.after(one, kind) if more.body["id"] == name), None)
        resolved = UNKNOWN if done is None else f"it was done on {day(done.at)}"
        yield Sentence(
            f"{day(one.at)}: the step {name} broke: {said(one.body['message'])}. "
            f"Resolution: {resolved}.",
            (one, *([done] if done else [])),
        )

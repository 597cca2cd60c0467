"""Recommendations for the next migration, each from something that happened in this one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from emonk_ops.rollout.injections import PASS
from emonk_ops.rollout.records import Record
from emonk_ops.rollout.retrospective_performance import over_budget
from emonk_ops.rollout.retrospective_told import Sentence, Told, took

STAGES = range(6)


def advice(told: Told) -> Iterator[Sentence]:
    yield from _see_to_first(told)
    yield from _words(told)
    yield from _soaks(told)
    yield from _injections(told)
    yield from _forced(told)
    for name, found in over_budget(told).items():
        longest = max(float(one.body["seconds"]) for one in found)
        yield Sentence(f"Allow {longest:.0f} s for the step {name}.", tuple(found))
    yield from _time(told)


def _see_to_first(told: Told) -> Iterator[Sentence]:
    failed: dict[int, dict[str, Record]] = defaultdict(dict)
    for one in told.of("check"):
        stage = told.stage_of(one)
        if stage is not None and one.body["verdict"] in ("FAIL", "ERROR") and not one.body["holds"]:
            failed[stage].setdefault(str(one.body["id"]), one)
    for stage, found in sorted(failed.items()):
        names = ", ".join(found)
        yield Sentence(f"See to these before stage {stage}: {names}.", tuple(found.values()))


def _words(told: Told) -> Iterator[Sentence]:
    asked: dict[int, dict[str, Record]] = defaultdict(dict)
    for one in told.of("attested"):
        stage = one.body.get("stage")
        if stage is not None and one.body["over"] == "ASK":
            asked[int(stage)].setdefault(str(one.body["check"]), one)
    for stage, found in sorted(asked.items()):
        yield Sentence(
            f"Have words ready for stage {stage}, for only a person can say: {', '.join(found)}.",
            tuple(found.values()),
        )


def _soaks(told: Told) -> Iterator[Sentence]:
    breached: dict[str, list[Record]] = {}
    for one in told.of("soak.ended"):
        how = str(one.body["how"])
        if how == "breached":
            breached.setdefault(str(one.body.get("criterion", "")), []).append(one)
        elif how.startswith("began anew"):
            why = how.partition(": ")[2]
            yield Sentence(f"Let nothing of this happen during a soak: {why}.", (one,))
    for criterion, found in breached.items():
        yield Sentence(f"Watch {criterion} from the first hour on: it ended a soak.", tuple(found))


def _injections(told: Told) -> Iterator[Sentence]:
    worst: dict[str, Record] = {}
    for one in told.of("injection.ended"):
        if one.body["verdict"] != PASS:
            worst[str(one.body["name"])] = one
    for name, one in worst.items():
        yield Sentence(
            f"Inject {name} early: here it once ended {one.body['verdict']}.",
            (one,),
        )


def _forced(told: Told) -> Iterator[Sentence]:
    for one in told.of("forced"):
        yield Sentence(
            f"Open this gate in time, so that it need not be forced: {one.body['passed']}.", (one,)
        )


def _time(told: Told) -> Iterator[Sentence]:
    begun = [(stage, first) for stage in STAGES if (first := told.began(stage)) is not None]
    ended = [(stage, last) for stage in STAGES if (last := next(told.passes(stage), None))]
    if not begun or not ended or ended[-1][0] <= begun[0][0]:
        return
    (low, first), (high, last) = begun[0], ended[-1]
    yield Sentence(
        f"Plan {took(first, last)} for the way from stage {low} to the end of stage {high}: that "
        "is what it took.",
        (first, last),
    )

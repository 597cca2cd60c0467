"""The judge on simulated hours; `python -m tests.bench judging` has a thousand of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from emonk_ops.operations.analysis.records import Decision, Effect, Record, Tick
from emonk_ops.operations.analysis.stream import Pass, noted
from emonk_ops.operations.job_slots import slots_between
from emonk_ops.operations.judging.certificate import certificate
from emonk_ops.operations.judging.judge import judge
from emonk_ops.operations.judging.verdicts import Judgement, Ruling
from emonk_ops.rollout.model import Verdict
from emonk_ops.tick.jobs import Job, Run
from tests.judging.model import BEGIN, BREACHES, LOSSES, TENDENCIES, World

# minutes of the cadence, hours
SIZES = ((5, 1.0), (1, 1.0), (1, 5.2))
RULING_OF = {
    "missed by ticks": "ticks-run-their-slots",
    "lost": "nothing-lost",
    "doubled": "nothing-twice",
    "effect doubled": "nothing-twice",
    "early": "nothing-early",
    "extra": "nothing-unexpected",
    "no tick": "every-tick-came",
    "late": "lateness",
    "slower x1.5": "durations",
    "slower x2": "durations",
    "error burst": "job-errors",
}


def judged(world: World, told: list[Record] | None = None) -> Judgement:
    seen = Pass()
    records = list(noted(world.records() if told is None else told, seen))
    return judge(records, world.definitions(), world.rules(), seen)


def on_record(job: Job) -> Job:
    """The job with all runs of the model on its record."""
    slots = slots_between(job, BEGIN, job.slot)
    return replace(job, recent=tuple(Run(slot, "succeeded", slot) for slot in slots))


def test_a_run_that_is_on_record_and_not_in_the_log_is_no_lost_slot() -> None:
    world, seen = World(1, defect="lost"), Pass()
    records = list(noted(world.records(), seen))
    jobs = tuple(map(on_record, world.definitions()))
    found = judge(records, jobs, world.rules(), seen)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.classes["INCOMPLETE"] == 1


def ruling(found: Judgement, name: str) -> Ruling:
    return next(one for one in found.rulings if one.name == name)


@pytest.mark.parametrize(("minutes", "hours"), SIZES)
@pytest.mark.parametrize("breach", BREACHES)
def test_no_planted_breach_of_an_invariant_is_passed(
    breach: str, minutes: int, hours: float
) -> None:
    for seed in range(4):
        found = judged(World(seed, minutes, hours, defect=breach))
        assert found.verdict is Verdict.FAIL
        assert found.failed() == {RULING_OF[breach]}


@pytest.mark.parametrize(("minutes", "hours"), SIZES)
@pytest.mark.parametrize("loss", LOSSES)
def test_missing_data_is_never_passed_and_no_reason_to_fail(
    loss: str, minutes: int, hours: float
) -> None:
    for seed in range(4):
        found = judged(World(seed, minutes, hours, defect=loss))
        assert found.verdict is Verdict.INCONCLUSIVE, found.rulings
        if loss != "request log lost":
            assert ruling(found, "nothing-lost").verdict is Verdict.INCONCLUSIVE
            assert ruling(found, "nothing-twice").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("defect", TENDENCIES)
def test_a_tendency_fails_once_there_is_enough_to_say_so_and_never_passes(defect: str) -> None:
    for seed in range(3):
        assert judged(World(seed, 5, 1, defect=defect)).verdict is not Verdict.PASS
        assert RULING_OF[defect] in judged(World(seed, 1, 5.2, defect=defect)).failed()


@pytest.mark.parametrize(("minutes", "hours"), SIZES)
def test_a_healthy_shadow_fails_nothing_and_passes_with_enough_samples(
    minutes: int, hours: float
) -> None:
    verdicts = Counter(judged(World(seed, minutes, hours)).verdict for seed in range(6))
    expected = Verdict.PASS if hours > 2 else Verdict.INCONCLUSIVE
    assert verdicts == {expected: 6}


def test_what_is_inconclusive_says_how_much_more_it_needs() -> None:
    found = judged(World(1, 5, 1))
    assert ruling(found, "job-errors").verdict is Verdict.INCONCLUSIVE
    assert "below 1% needs 287 more without one" in ruling(found, "job-errors").summary
    passed = ruling(found, "nothing-lost")
    assert passed.verdict is Verdict.PASS
    assert passed.summary == "0 in 28 slots; the true rate is below 10.1% (95 %)"


def test_less_than_an_hour_passes_nothing() -> None:
    world = World(1, 1, 0.6)
    found = judged(world)
    assert world.rules().hours < 1
    assert ruling(found, "slots-are-told").verdict is Verdict.INCONCLUSIVE
    assert found.verdict is Verdict.INCONCLUSIVE


def test_nothing_at_all_is_inconclusive() -> None:
    found = judged(World(1), told=[])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert not [one for one in found.rulings if one.verdict is Verdict.PASS]


def test_a_loop_that_hardly_ticks_is_nothing_to_compare_with() -> None:
    world = World(1)
    told = [
        one
        for one in world.records()
        if not (isinstance(one, Tick) and one.path == "loop" and one.at.minute % 3)
    ]
    renumbered = World(1)
    again = [renumbered.numbered(one) for one in told]
    found = ruling(judged(world, again), "loop-is-alive")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "nothing to compare with" in found.summary


def test_the_certificate_says_what_the_window_would_have_caught() -> None:
    for minutes, slow_caught in ((1, True), (5, False)):
        world, seen = World(1, minutes, 1), Pass()
        records = list(noted(world.records(), seen))
        jobs, rules = tuple(map(on_record, world.definitions())), world.rules()
        found = judge(records, jobs, rules, seen)
        tried = {
            one.name: one.caught_by
            for one in certificate(records, found, jobs, rules, seen, "/cron/tick")
        }
        assert tried["one run dropped"] == ("nothing-lost",)
        assert tried["one run doubled"] == ("nothing-twice",)
        assert tried["one error"] == ()
        assert (tried["all ticks' runs 50% slower"] == ("durations",)) is slow_caught
        assert (tried["all ticks' runs 30 s later"] == ("lateness",)) is slow_caught


def test_a_window_that_begins_before_the_shadow_loses_nothing_and_passes_nothing() -> None:
    world = World(3)
    told: list[Record] = []
    for one in world.records():
        early = (one.at - world.begin).total_seconds() < 900
        if isinstance(one, Tick):
            told.append(one._replace(driver="legacy" if early else "shadow"))
        elif not (early and isinstance(one, (Decision, Effect))):
            told.append(one)
    numbers = World(3)
    found = judged(world, [numbers.numbered(one) for one in told])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.failed() == frozenset()
    assert "ticks ran while one path drove alone" in ruling(found, "slots-are-told").summary


def test_a_window_that_is_too_short_says_how_much_more_time_settles_it() -> None:
    told = ruling(judged(World(1, 1, 0.1)), "slots-are-told")
    assert told.summary == "0.23 h is less than 1 h"
    assert told.facts["more_seconds"] == pytest.approx((1 - told.facts["hours"]) * 3600, abs=5)

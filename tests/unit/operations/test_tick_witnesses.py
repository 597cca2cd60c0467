from __future__ import annotations

from datetime import timedelta

import pytest

from emonk_ops.operations.analysis.records import Attempt, Record, Request, Tick
from emonk_ops.operations.judging.invariants import scheduler_ticks
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.witnesses import Witnesses
from emonk_ops.rollout.model import Verdict
from tests.judging.model import BEGIN

RULES = Rules(BEGIN, BEGIN + timedelta(minutes=10), "* * * * *")
EVERYBODY = ("attempt", "request", "service")


def at_slot(minute: int, kinds: tuple[str, ...], status: int = 200) -> list[Record]:
    slot = BEGIN + timedelta(minutes=minute)
    came = slot + timedelta(seconds=6)
    records: dict[str, Record] = {
        # Stamped when it arrived, which is late.
        "attempt": Attempt(came + timedelta(seconds=7), slot, 0),
        "request": Request(came, "/cron/tick", "POST", status, 0.1, True),
        "service": Tick(came, "i", 1, "running", "cron", f"t{minute}", "r", 0.0),
        "stranger": Tick(came, "i", 1, "running", "cron", f"s{minute}", "r", 0.0),
    }
    return [records[kind] for kind in kinds]


def seen(
    odd: tuple[str, ...], *, minute: int = 4, all_of: tuple[str, ...] = EVERYBODY
) -> Witnesses:
    found = Witnesses(RULES, "/cron/tick")
    records = [
        record for number in range(10) for record in at_slot(number, odd if number == 4 else all_of)
    ]
    for record in sorted(records, key=lambda one: one.at):
        assert isinstance(record, (Tick, Request, Attempt))
        found.feed(record)
    found.close()
    return found


def test_three_that_agree_pass() -> None:
    ruled = scheduler_ticks(seen(EVERYBODY))
    assert ruled.verdict is Verdict.PASS
    assert ruled.facts["n"] == 10


def test_a_tick_that_nobody_saw_was_missed() -> None:
    ruled = scheduler_ticks(seen(()))
    assert ruled.verdict is Verdict.FAIL
    assert "1 of 10 ticks were seen by nobody: 00:04:00Z" in ruled.summary


@pytest.mark.parametrize(
    ("kinds", "blind"),
    [
        (("attempt", "request"), "not in the service log"),
        (("attempt", "service"), "not in the request log"),
        (("request", "service"), "not in the scheduler executions"),
        (("attempt",), "not in the request log, service log"),
        (
            ("attempt", "request", "service", "stranger"),
            "the request log, of another caller",
        ),
        (("attempt", "request", "request", "service"), "scheduler executions, of another caller"),
    ],
)
def test_witnesses_that_disagree_are_named(kinds: tuple[str, ...], blind: str) -> None:
    ruled = scheduler_ticks(seen(kinds))
    assert ruled.verdict is Verdict.INCONCLUSIVE
    assert blind in ruled.summary


@pytest.mark.parametrize("absent", EVERYBODY)
def test_a_witness_that_is_not_there_at_all_is_named(absent: str) -> None:
    others = tuple(kind for kind in EVERYBODY if kind != absent)
    ruled = scheduler_ticks(seen(others, all_of=others))
    assert ruled.verdict is Verdict.INCONCLUSIVE
    assert "no line of these witnesses" in ruled.summary


def test_one_witness_alone_cannot_say_that_a_tick_was_missed() -> None:
    assert scheduler_ticks(seen((), all_of=("service",))).verdict is Verdict.INCONCLUSIVE
    assert scheduler_ticks(seen((), all_of=("attempt", "service"))).verdict is Verdict.FAIL


def test_silence_of_all_is_no_pass() -> None:
    assert scheduler_ticks(seen((), all_of=())).verdict is Verdict.INCONCLUSIVE


def test_a_tick_that_came_twice_is_no_fault() -> None:
    twice = (*EVERYBODY, "attempt", "request")
    found = seen(twice)
    assert (found.repeated, scheduler_ticks(found).verdict) == (1, Verdict.PASS)

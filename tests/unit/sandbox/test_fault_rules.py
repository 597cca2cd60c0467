"""Which calls a fault strikes, how often, and which rules are none."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.sandbox.faults.rules import BadRule, Faults, rule_of

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
COMMIT = "/google.firestore.v1.Firestore/Commit"
PAUSE = "/google.cloud.scheduler.v1.CloudScheduler/PauseJob"


class World:
    """A time that the test sets, and the faults under it."""

    def __init__(self) -> None:
        self.now = NOON
        self.faults = Faults(lambda: self.now, random.Random(7))


@pytest.mark.parametrize(
    ("method", "identity", "strikes"),
    [
        ("*", "*", (True, True)),
        ("Commit", "*", (True, False)),
        ("*Job", "*", (False, True)),
        ("google.firestore.v1.*/*", "*", (True, False)),
        ("google.firestore.v1.Firestore/Commit", "*", (True, False)),
        ("Firestore/Commit", "*", (False, False)),
        ("*", "agent@*", (True, True)),
        ("*", "other@example.com", (False, False)),
    ],
)
def test_a_rule_strikes_the_calls_it_names(
    method: str, identity: str, strikes: tuple[bool, bool]
) -> None:
    rule = rule_of("f1", {"method": method, "identity": identity, "code": "UNAVAILABLE"})
    who = "agent@example.com"
    assert (rule.matches(COMMIT, who), rule.matches(PAUSE, who)) == strikes


def test_a_rule_ends_by_its_count_and_by_its_time() -> None:
    world = World()
    counted = world.faults.add({"code": "ABORTED", "count": 2})
    assert [world.faults.pick(COMMIT, "") is not None for _ in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert world.faults.hits[counted.id] == 2
    world.faults.add({"code": "ABORTED", "until": (NOON + timedelta(seconds=5)).isoformat()})
    assert world.faults.pick(COMMIT, "") is not None
    world.now += timedelta(seconds=5)
    assert world.faults.pick(COMMIT, "") is None
    assert world.faults.rules == ()


def test_a_rate_is_a_share_of_the_calls() -> None:
    world = World()
    world.faults.add({"code": "ABORTED", "rate": 0.25})
    struck = sum(world.faults.pick(COMMIT, "") is not None for _ in range(4_000))
    assert 850 < struck < 1_150


def test_the_newest_rule_decides() -> None:
    world = World()
    world.faults.add({"code": "ABORTED"})
    world.faults.add({"code": "UNAVAILABLE", "method": "Commit"})
    first, second = world.faults.pick(COMMIT, ""), world.faults.pick(PAUSE, "")
    assert first is not None
    assert first.code == "UNAVAILABLE"
    assert second is not None
    assert second.code == "ABORTED"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({}, "needs a latency"),
        ({"code": "SOMETIMES"}, "SOMETIMES is no error code"),
        ({"code": "OK"}, "OK is no error code"),
        ({"latency": -1}, "latency must be a number"),
        ({"code": "ABORTED", "rate": 2}, "rate must be a number from 0 to 1"),
        ({"code": "ABORTED", "count": 0}, "count must be a whole number"),
        ({"code": "ABORTED", "until": "noon"}, "until='noon' is no time"),
        ({"code": "ABORTED", "until": "2026-01-05T12:00:00"}, "has no zone"),
        ({"code": "ABORTED", "methods": "x"}, "unknown field methods"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(data: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRule, match=told):
        rule_of("f1", data)

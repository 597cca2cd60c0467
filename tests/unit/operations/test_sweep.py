"""A growing log read a page at a time: each entry once, late ones too, one call a look."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.errors import QuotaExceeded
from emonk_ops.operations.analysis.growing import GrowingSpool
from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.analysis.sweep import Sweep
from emonk_ops.ports import LogEntry

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
LATE = 120.0
TICK = "Scheduler tick completed"


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def line(seconds: float, number: int, instance: str = "i") -> LogEntry:
    payload = {
        "message": TICK,
        "instance": instance,
        "sequence": number,
        "path": "loop",
        "tick_id": f"{instance}{number}",
    }
    name = f"{instance}{number}"
    return LogEntry(at(seconds), name, "stdout", "INFO", TICK, payload, {}, {}, {})


class Growing:
    """A log whose entries can be had from their arrival on."""

    def __init__(self, coming: list[tuple[float, LogEntry]]) -> None:
        self.coming = coming
        self.now = 0.0
        self.calls: list[int] = []
        self.refuse = False

    def entries(
        self, query: str, *, since: datetime, limit: int | None = None, **_more: Any
    ) -> Iterator[LogEntry]:
        if self.refuse:
            raise QuotaExceeded("too many reads")
        self.calls.append(limit or 0)
        there = [one for came, one in self.coming if came <= self.now and one.timestamp >= since]
        there.sort(key=lambda one: one.timestamp)
        yield from there[:limit]

    def tail(self, query: str) -> Iterator[LogEntry]:
        raise AssertionError("a sweep does not tail")

    def sweeps(self, sweep: Sweep, until: float, step: float = 15.0) -> list[LogEntry]:
        found: list[LogEntry] = []
        while self.now < until:
            self.now += step
            found += sweep.look(at(self.now)).entries
        return found


@given(
    st.lists(
        st.tuples(st.floats(0, 600), st.floats(0, LATE - 20)), min_size=1, max_size=60, unique=True
    ),
    st.integers(3, 70),
)
@settings(max_examples=60, deadline=None)
def test_every_entry_comes_once_however_late_and_however_small_the_pages(
    arrivals: list[tuple[float, float]], page: int
) -> None:
    coming = [
        (seconds + late, line(seconds, number)) for number, (seconds, late) in enumerate(arrivals)
    ]
    log = Growing(coming)
    sweep = Sweep(log, "", since=BEGIN, late_seconds=LATE, page=page)
    found = log.sweeps(sweep, 3_000)
    assert sorted(one.insert_id for one in found) == sorted(one.insert_id for _, one in coming)


def test_a_look_is_one_call_and_says_how_far_the_log_is_read() -> None:
    log = Growing([(0, line(seconds, seconds)) for seconds in range(1, 26)])
    sweep = Sweep(log, "", since=BEGIN, late_seconds=LATE, page=10)
    log.now = 30
    first, second, third = (sweep.look(at(30)) for _ in range(3))
    assert [len(one.entries) for one in (first, second, third)] == [10, 9, 6]
    assert [one.caught_up for one in (first, second, third)] == [False, False, True]
    assert (first.until, third.until) == (at(10), at(30))
    assert log.calls == [10, 10, 10]


def test_a_page_of_one_instant_does_not_hold_it_up() -> None:
    log = Growing([(0, line(5, number)) for number in range(1, 26)])
    sweep = Sweep(log, "", since=BEGIN, late_seconds=LATE, page=10)
    log.now = 10
    looks = [sweep.look(at(10)) for _ in range(4)]
    assert sum(len(one.entries) for one in looks) == 25
    assert max(one.calls for one in looks) > 1  # and it is paid for by a longer wait


def test_a_refused_look_leaves_it_where_it_was() -> None:
    log = Growing([(0, line(5, 1))])
    sweep = Sweep(log, "", since=BEGIN, late_seconds=LATE)
    log.now, log.refuse = 10, True
    with pytest.raises(QuotaExceeded):
        sweep.look(at(10))
    log.refuse = False
    assert len(sweep.look(at(600)).entries) == 1


def test_memory_is_of_the_late_stretch_only() -> None:
    log = Growing([(seconds, line(seconds, seconds)) for seconds in range(3_000)])
    sweep = Sweep(log, "", since=BEGIN, late_seconds=LATE)
    assert len(log.sweeps(sweep, 3_000)) == 3_000
    assert len(sweep._known) <= LATE + 20


def test_a_grown_spool_reads_as_one_that_was_filled_at_once() -> None:
    rng = random.Random(1)
    entries = [line(10 * number, number, f"i{number % 3}") for number in range(1, 400)]
    came = sorted(entries, key=lambda one: one.timestamp + timedelta(seconds=rng.uniform(0, 100)))
    with GrowingSpool() as grown, Spool(entries) as whole:
        for place in range(0, len(came), 7):
            batch = grown.add(came[place : place + 7])
            assert len(batch) == len(came[place : place + 7])
            assert len(list(grown)) == min(place + 7, len(came))
        assert list(grown) == list(whole)
        assert list(grown) == list(whole)  # and again
        assert grown.span == whole.span
        assert grown.seen.disorder.late == 0
        assert grown.seen.entries == whole.seen.entries
        for name, lines in whole.seen.coverage.instances.items():
            assert grown.seen.coverage.instances[name].seen == lines.seen
        assert grown.add([]) == []

"""A read quota in the middle of a long read: nothing is missing, nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.errors import QuotaExceeded
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.patient_logs import MOST_PAUSES, PAUSE_SECONDS, PatientLogs

START = datetime(2026, 1, 5, 12, tzinfo=UTC)


def entry(number: int) -> LogEntry:
    """Three of them share an instant."""
    at = START + timedelta(seconds=number // 3)
    return LogEntry(at, f"id-{number}", "stdout", "INFO", "m", {}, {}, {}, {})


EVERY = [entry(number) for number in range(30)]


class SteppingClock:
    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.slept)

    def sleep_until(self, when: datetime) -> None:
        self.slept = (when - START).total_seconds()


class Metered:
    """So many entries for each read, then the quota is used up; `refusals` reads give nothing."""

    def __init__(self, a_read: int, refusals: int = 0) -> None:
        self._a_read = a_read
        self._refusals = refusals
        self.reads = 0

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        self.reads += 1
        if self._refusals:
            self._refusals -= 1
            raise QuotaExceeded("60 reads a minute")
        found = [
            one for one in EVERY if since <= one.timestamp and (not until or one.timestamp < until)
        ]
        found = (found[::-1] if newest_first else found)[:limit]
        yield from found[: self._a_read]
        if len(found) > self._a_read:
            raise QuotaExceeded("60 reads a minute")

    def tail(self, query: str) -> Iterator[LogEntry]:
        raise AssertionError("nothing tails here")


def read(metered: Metered, **bounds: Any) -> list[str]:
    logs = PatientLogs(metered, SteppingClock())
    return [one.insert_id for one in logs.entries("q", since=START, **bounds)]


@pytest.mark.parametrize("a_read", [4, 7, 29, 30])
@pytest.mark.parametrize("newest_first", [False, True])
def test_every_entry_comes_once_and_in_order(a_read: int, newest_first: bool) -> None:
    wanted = [one.insert_id for one in EVERY]
    found = read(Metered(a_read), newest_first=newest_first)
    assert found == (wanted[::-1] if newest_first else wanted)


@pytest.mark.parametrize("limit", [1, 5, 12])
def test_a_limit_is_kept_over_pauses(limit: int) -> None:
    assert read(Metered(4), limit=limit) == [one.insert_id for one in EVERY[:limit]]


def test_it_waits_between_reads_and_gives_up_in_the_end() -> None:
    clock = SteppingClock()
    logs = PatientLogs(Metered(30, refusals=3), clock)
    assert len(list(logs.entries("q", since=START))) == 30
    assert clock.slept == 3 * PAUSE_SECONDS
    with pytest.raises(QuotaExceeded):
        list(PatientLogs(Metered(30, refusals=MOST_PAUSES + 1), clock).entries("q", since=START))

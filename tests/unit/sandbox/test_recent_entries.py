"""What is kept of the last hour is what the log itself would answer."""

from __future__ import annotations

import random
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from google.cloud.logging_v2.types import LogEntry

from emonk_ops.sandbox.clock_map import to_nanoseconds
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.monitoring.recent import RecentEntries

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
QUERIES = ("severity>=WARNING", 'jsonPayload.message="tick"', 'log_id("run")')


class Log:
    def __init__(self) -> None:
        self.store = LogStore(sqlite3.connect(":memory:", isolation_level=None), lambda: NOW)
        self.recent = RecentEntries(self.store)

    def write(self, rng: random.Random, at: datetime) -> None:
        self.store.write(
            [
                LogEntry(
                    log_name=f"projects/{rng.choice(['p', 'q'])}/logs/{rng.choice(['run', 'app'])}",
                    timestamp=at,
                    severity=rng.choice(["INFO", "WARNING", "ERROR"]),
                    json_payload={"message": rng.choice(["tick", "job"])},
                )
            ]
        )

    def agree(self, query: str, begin: datetime, end: datetime) -> None:
        bounds = f'timestamp > "{begin.isoformat()}" AND timestamp <= "{end.isoformat()}"'
        asked = self.store.query(["p"], f"({query}) AND {bounds}", limit=10_000)
        kept = self.recent.between("p", query, to_nanoseconds(begin), to_nanoseconds(end))
        assert kept is not None
        assert sorted(one.insert_id for one in kept) == sorted(one.insert_id for one in asked)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_order_entries_come_in_the_answers_are_those_of_the_log(seed: int) -> None:
    rng, log, now = random.Random(seed), Log(), NOW
    for _ in range(120):
        now += timedelta(seconds=rng.choice([0, 1, 60, 900]))
        for _ in range(rng.randrange(4)):
            late = timedelta(seconds=rng.choice([0, 0, 30, 400]))
            log.write(rng, now - late)
        if rng.random() < 0.02:
            log.store.delete_log("projects/p/logs/app")
        long = timedelta(seconds=rng.choice([60, 300, 3600]))
        log.agree(rng.choice(QUERIES), now - long, now)


def test_what_lies_further_back_is_not_kept() -> None:
    log = Log()
    day = (to_nanoseconds(NOW - timedelta(days=1)), to_nanoseconds(NOW))
    assert log.recent.between("p", "severity>=WARNING", *day) is None

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from emonk_ops.errors import NotFound
from emonk_ops.operations.cost import Measured, averaged, measure, project, slots_a_day
from emonk_ops.operations.prices import FIRESTORE
from emonk_ops.ports import LogEntry
from emonk_ops.testing import InMemoryWorld
from emonk_ops.tick.ticks import TickReport
from emonk_ops.toolbox import Toolbox

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
A_MINUTE = 1440.0


def line(**metrics: Any) -> LogEntry:
    # Cloud Logging gives numbers back as floats.
    told = TickReport(**metrics).to_dict()
    payload = {
        name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for name, value in told.items()
    }
    return LogEntry(NOW, "i", "stdout", "INFO", "Scheduler tick completed", payload, {}, {}, {})


def told(found: Measured | None) -> tuple[float, float, int, bool]:
    assert found is not None
    return (found.reads, found.writes, found.ticks, found.billed)


@pytest.mark.parametrize(
    ("executions", "regional", "multi"),
    [(1, 0, 0), (5, 0, 0), (10, 0.24, 0.48), (50, 3.59, 7.19), (100, 8.20, 16.40)],
)
def test_each_execution_a_minute_is_a_read_and_two_writes(
    executions: int, regional: float, multi: float
) -> None:
    measured = Measured(reads=executions, writes=2 * executions, ticks=60, billed=True)
    assert project(measured, A_MINUTE).firestore_usd == pytest.approx(regional, abs=0.01)
    found = project(measured, A_MINUTE, location="multi-region")
    assert found.firestore_usd == pytest.approx(multi, abs=0.02)


@pytest.mark.parametrize(
    ("reads", "writes", "free_reads", "free_writes"),
    [(2, 0, 0.0576, 0), (35, 0, 1.008, 0), (0, 13.888, 0, 1.0)],
)
def test_the_share_of_the_free_quota_is_told(
    reads: float, writes: float, free_reads: float, free_writes: float
) -> None:
    found = project(Measured(reads, writes, 60, True), A_MINUTE)
    assert found.free_reads_used == pytest.approx(free_reads, abs=0.001)
    assert found.free_writes_used == pytest.approx(free_writes, abs=0.001)
    assert (found.firestore_usd > 0.0001) == (free_reads > 1)


@pytest.mark.parametrize(
    ("free", "jobs", "usd"), [(True, 1, 0), (True, 3, 0), (True, 4, 0.1), (False, 2, 0.2)]
)
def test_cloud_scheduler_bills_jobs_beyond_three_and_no_executions(
    free: bool, jobs: int, usd: float
) -> None:
    measured = Measured(2, 0, 60, True)
    for slots in (A_MINUTE, 24.0):
        found = project(measured, slots, free=free, scheduler_jobs=jobs)
        assert found.scheduler_usd == pytest.approx(usd)


def test_without_the_free_quota_everything_costs() -> None:
    found = project(Measured(1, 1, 60, True), 100_000, free=False)
    price = FIRESTORE["regional"]
    assert found.firestore_usd == pytest.approx((price.reads + price.writes) * 365 / 12)


def test_deletes_of_finished_jobs_are_never_free() -> None:
    found = project(Measured(1, 2, 60, True), A_MINUTE)
    assert found.firestore_usd == 0
    assert found.deletes_usd_at_most == pytest.approx(1440 * 0.01 / 100_000 * 365 / 12)
    assert found.total_usd == found.deletes_usd_at_most


@pytest.mark.parametrize(
    ("cadence", "slots"),
    [("* * * * *", 1440), ("*/5 * * * *", 288), ("0 9 * * *", 1), ("0 9 * * 1-5", 5 / 7)],
)
def test_the_cadence_says_how_many_slots_a_day_has(cadence: str, slots: float) -> None:
    assert slots_a_day(cadence, "Etc/UTC", NOW) == pytest.approx(slots)


def test_the_bill_is_averaged_over_the_ticks() -> None:
    ticks = [
        line(path="cron", storage_reads=1, billed_reads=2),
        line(path="cron", storage_reads=10, storage_writes=20, billed_reads=12, billed_writes=22),
    ]
    assert told(averaged(ticks)) == (7, 11, 2, True)


def test_on_another_store_the_drivers_record_is_added() -> None:
    ticks = [line(path="loop", storage_reads=1), line(path="loop", storage_reads=3)]
    assert told(averaged(ticks)) == (3, 0, 2, False)


def test_in_shadow_a_slot_has_a_tick_on_each_path() -> None:
    ticks = [line(path=path, billed_reads=2, billed_writes=1) for path in ("loop", "cron", "cron")]
    assert told(averaged(ticks)) == (4, 2, 3, True)


def test_ticks_are_found_in_the_log(tools: Toolbox, world: InMemoryWorld) -> None:
    world.write("Scheduler tick completed", path="cron", billed_reads=4, billed_writes=2)
    assert told(measure(tools, hours=1)) == (4, 2, 1, True)


def test_silence_is_no_price(tools: Toolbox) -> None:
    with pytest.raises(NotFound, match="no tick of emonk-agent in the log since") as refused:
        measure(tools, hours=0.5)
    assert "emonk-ops logs ticks" in refused.value.hint


def test_ticks_that_do_not_tell_what_they_read_and_wrote_are_no_price(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    world.write("Scheduler tick completed", path="cron", jobs_executed=3)
    with pytest.raises(NotFound, match="tells what it read and wrote"):
        measure(tools, hours=1)

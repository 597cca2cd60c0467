from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.tick.cron import check_cron, count_slots, latest_slot, next_slot
from emonk_ops.tick.errors import InvalidSchedule, NaiveTime
from emonk_ops.tick.schedules import Schedule

NOON = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LINES = ("* * * * *", "*/5 * * * *", "7 3 * * *", "0 9-17/2 * * MON-FRI", "30 2 1,15 * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
WHOLE_HOUR_ZONES = tuple(zone for zone in ZONES if zone != "Australia/Lord_Howe")
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@pytest.mark.parametrize("line", LINES)
def test_lines_that_every_cron_agrees_on_are_taken(line: str) -> None:
    assert check_cron(f"  {line.replace(' ', '  ')} ") == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "5/15 * * * *",
        "*/0 * * * *",
        "9-5 * * * *",
        "0 0 L * *",
        "0 0 * * 5#2",
        "0 0 ? * *",
        "0 0 30 2 *",
        "a b c d e",
    ],
)
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(InvalidSchedule):
        check_cron(line)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(InvalidSchedule, match="Mars/Olympus"):
        Schedule.from_dict({"cron": "* * * * *", "tz": "Mars/Olympus"})


def test_a_daily_slot_follows_the_zone_through_the_year() -> None:
    winter = next_slot("0 9 * * *", "Europe/Berlin", datetime(2026, 1, 5, tzinfo=UTC))
    summer = next_slot("0 9 * * *", "Europe/Berlin", datetime(2026, 7, 5, tzinfo=UTC))
    assert (winter.hour, summer.hour) == (8, 7)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York"])
def test_a_daily_job_runs_once_on_each_local_date_through_both_changes(zone: str) -> None:
    slot = datetime(2026, 1, 1, tzinfo=UTC)
    dates: list[date] = []
    for _ in range(365):
        slot = next_slot("30 2 * * *", zone, slot)
        dates.append(slot.astimezone(ZoneInfo(zone)).date())
    assert dates == [dates[0] + timedelta(days=number) for number in range(365)]


@settings(deadline=None)
@given(moment=MOMENTS, line=st.sampled_from(LINES), zone=st.sampled_from(ZONES))
def test_the_latest_slot_is_the_one_whose_next_lies_ahead(
    moment: datetime, line: str, zone: str
) -> None:
    latest = latest_slot(line, zone, moment)
    assert latest <= moment < next_slot(line, zone, moment)


@settings(deadline=None)
@given(moment=MOMENTS, zone=st.sampled_from(WHOLE_HOUR_ZONES))
def test_an_hourly_job_runs_once_in_each_real_hour(moment: datetime, zone: str) -> None:
    first = next_slot("0 * * * *", zone, moment)
    second = next_slot("0 * * * *", zone, first)
    assert first - moment <= timedelta(hours=1)
    assert second - first == timedelta(hours=1)


def test_slots_are_counted_with_both_ends() -> None:
    assert count_slots("*/5 * * * *", "UTC", NOON, NOON + timedelta(minutes=20)) == 5


def test_a_period_counts_from_its_own_slots() -> None:
    schedule = Schedule.from_dict({"every": 90})
    slot = schedule.first(NOON)
    assert schedule.following(slot) == NOON + timedelta(seconds=180)
    assert schedule.latest(slot, slot + timedelta(seconds=200)) == (
        slot + timedelta(seconds=180),
        2,
    )


def test_a_single_instant_has_no_following_slot() -> None:
    schedule = Schedule.from_dict({"at": "2026-01-05T13:00:00+01:00"})
    assert schedule.first(NOON + timedelta(days=9)) == NOON
    assert schedule.following(NOON) is None
    assert schedule.latest(NOON, NOON + timedelta(days=9)) == (NOON, 0)
    assert not schedule.recurs


@pytest.mark.parametrize(
    "written",
    [
        {"cron": "*/5 * * * *", "tz": "Europe/Berlin"},
        {"every": 300.0},
        {"at": "2026-01-05T12:00:00Z"},
    ],
)
def test_a_schedule_comes_back_as_it_was_written(written: dict[str, Any]) -> None:
    assert Schedule.from_dict(written).to_dict() == written


@pytest.mark.parametrize(
    "written",
    [{}, {"cron": "* * * * *", "every": 5}, {"every": 0}, {"every": "x"}, {"at": "x"}, {"on": 1}],
)
def test_what_is_no_schedule_is_refused(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchedule):
        Schedule.from_dict(written)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(NaiveTime):
        Schedule.from_dict({"at": "2026-01-05T12:00:00"})

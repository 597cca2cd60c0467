"""Cron schedules through every change of the clocks, in every zone, from 2020 to 2037.

What is right is decided by an oracle that knows no cron library: it goes through the real quarters
of an hour around a change and reads the wall clock at each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice, pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emonk_ops.tick.cron import USUAL, Dst, next_slot, slots, slots_back
from emonk_ops.tick.errors import InvalidSchedule
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.transitions import changes_of, stretches, stretches_back

FIRST, LAST = 2020, 2037
QUARTER, HOUR, DAY = timedelta(minutes=15), timedelta(hours=1), timedelta(days=1)
NONE = timedelta(0)
KNOBS = [Dst(m, r) for m in ("shift", "skip") for r in ("first", "both")]
REAL_TIME = ["0 * * * *", "0 */2 * * *", "*/15 * * * *", "30 0-23 * * *", "15,45 */3 * * *"]
AT_AN_HOUR = ["30 2 * * *", "0 0 * * *", "30 23 * * *", "*/15 1 * * *", "0,30 0-3 * * *"]
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2038, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = sorted(available_timezones())


@dataclass(frozen=True)
class Change:
    """One change of a zone's clocks."""

    zone: str
    at: datetime
    before: timedelta
    after: timedelta

    def wall(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=None) + (self.before if moment < self.at else self.after)

    @property
    def missing(self) -> list[datetime]:
        """The quarters that no clock shows, Casey's odd minute left aside."""
        lost = int((self.after - self.before) / QUARTER)
        ended = self.at.replace(tzinfo=None) + self.before
        begin = ended + (-timedelta(minutes=ended.minute) % QUARTER)
        return [begin + n * QUARTER for n in range(max(0, lost))]

    @property
    def repeated(self) -> list[datetime]:
        """The quarters that clocks show twice."""
        shown = Counter(self.wall(moment) for moment in self.quarters)
        return [wall for wall, times in shown.items() if times == 2]

    @property
    def quarters(self) -> list[datetime]:
        begin = self.at.replace(minute=self.at.minute // 15 * 15) - 27 * HOUR
        return [begin + n * QUARTER for n in range(54 * 4)]


@cache
def every_change() -> tuple[Change, ...]:
    """All changes; zones whose clocks change alike are one."""
    found: dict[tuple[datetime, timedelta, timedelta], Change] = {}
    for zone in ZONES:
        known = ZoneInfo(zone)
        for year in range(FIRST, LAST + 1):
            for at in changes_of(zone, year):
                before = (at - timedelta(seconds=1)).astimezone(known).utcoffset() or NONE
                after = at.astimezone(known).utcoffset() or NONE
                found.setdefault((at, before, after), Change(zone, at, before, after))
    return tuple(found.values())


@cache
def one_of_each_shape() -> tuple[Change, ...]:
    """Changes of one shape differ for a daily line only in their date."""
    shapes = {(one.after - one.before, one.wall(one.at).time()): one for one in every_change()}
    return tuple(shapes.values())


def field(text: str, most: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, _, high = ("0", "", str(most)) if span == "*" else span.partition("-")
        values |= set(range(int(low), int(high or low) + 1, int(step or 1)))
    return values


def expected(line: str, change: Change, dst: Dst) -> list[datetime]:
    """What the oracle says of the day before the change and the day after it."""
    minutes, hours = (
        field(text, most) for text, most in zip(line.split()[:2], (59, 23), strict=True)
    )
    real_time = line in REAL_TIME
    found: list[datetime] = []
    shown: set[datetime] = set()
    for moment in change.quarters:
        wall = change.wall(moment)
        if wall.minute not in minutes or wall.hour not in hours:
            continue
        if real_time or dst.repeated == "both" or wall not in shown:
            found.append(moment)
        shown.add(wall)
    gone = [w for w in change.missing if w.minute in minutes and w.hour in hours]
    if gone and not real_time and dst.missing == "shift":
        found = sorted({*found, change.at})
    return [moment for moment in found if abs(moment - change.at) <= DAY]


def forwards(line: str, zone: str, begin: datetime, end: datetime, dst: Dst) -> list[datetime]:
    return list(takewhile(lambda slot: slot <= end, slots(line, zone, begin, dst)))


def backwards(line: str, zone: str, begin: datetime, end: datetime, dst: Dst) -> list[datetime]:
    return list(takewhile(lambda slot: slot > begin, slots_back(line, zone, end, dst)))[::-1]


def check(line: str, change: Change, dst: Dst) -> None:
    begin, end = change.at - DAY - timedelta(microseconds=1), change.at + DAY
    right = expected(line, change, dst)
    assert forwards(line, change.zone, begin, end, dst) == right, (line, change, dst)
    assert backwards(line, change.zone, begin, end, dst) == right, (line, change, dst)


def test_all_changes_of_all_zones_are_looked_at() -> None:
    shifts = {abs(one.after - one.before) for one in every_change()}
    assert len(ZONES) > 400
    assert len(every_change()) > 800
    assert {2 * QUARTER, HOUR, 2 * HOUR, 3 * HOUR} <= shifts


@pytest.mark.parametrize("line", REAL_TIME)
def test_a_line_without_fixed_hours_runs_whenever_the_clock_shows_its_time(line: str) -> None:
    for change in every_change():
        check(line, change, USUAL)


@pytest.mark.parametrize("line", REAL_TIME)
@pytest.mark.parametrize("dst", KNOBS, ids=str)
def test_the_knobs_mean_nothing_to_a_line_without_fixed_hours(line: str, dst: Dst) -> None:
    for change in one_of_each_shape():
        check(line, change, dst)


@pytest.mark.parametrize("line", AT_AN_HOUR)
@pytest.mark.parametrize("dst", KNOBS, ids=str)
def test_a_line_at_fixed_hours_does_what_the_knobs_say(line: str, dst: Dst) -> None:
    for change in every_change():
        check(line, change, dst)


def test_an_hourly_job_runs_once_in_every_real_hour() -> None:
    """Where clocks change by part of an hour, its minute 0 is nearer or farther by that much."""
    for change in every_change():
        part = abs(change.after - change.before) % HOUR
        found = forwards("0 * * * *", change.zone, change.at - DAY, change.at + DAY, USUAL)
        apart = {later - earlier for earlier, later in pairwise(found)}
        assert apart <= {HOUR, HOUR - part, HOUR + part}, change
        if part == NONE:
            assert apart == {HOUR}, change


def dates(minute_of_day: int, change: Change, dst: Dst) -> list[date]:
    """The local dates of a daily job's slots; what is shifted to midnight is the day before's."""
    hour, minute = divmod(minute_of_day, 60)
    line = f"{minute} {hour} * * *"
    found = forwards(line, change.zone, change.at - 3 * DAY, change.at + 3 * DAY, dst)
    walls = [change.wall(slot) for slot in found]
    shifted = [
        slot == change.at and wall.hour < hour for slot, wall in zip(found, walls, strict=True)
    ]
    return [wall.date() - DAY * late for wall, late in zip(walls, shifted, strict=True)]


def test_a_daily_job_runs_exactly_once_on_each_local_date() -> None:
    for change in every_change():
        near = {change.wall(change.at - n * QUARTER) for n in range(-8, 9)}
        for wall in [*near, *change.missing]:
            found = dates(wall.hour * 60 + wall.minute, change, USUAL)
            assert found == [found[0] + n * DAY for n in range(len(found))], (change, wall)
            assert 5 <= len(found) <= 7


@pytest.mark.parametrize("dst", KNOBS, ids=str)
def test_a_daily_job_misses_and_repeats_a_date_only_where_the_knobs_say_so(dst: Dst) -> None:
    for change in one_of_each_shape():
        for wall in change.missing:
            found = dates(wall.hour * 60 + wall.minute, change, dst)
            assert (wall.date() in found) == (dst.missing == "shift"), (change, wall)
        for wall in change.repeated:
            found = dates(wall.hour * 60 + wall.minute, change, dst)
            assert found.count(wall.date()) == (2 if dst.repeated == "both" else 1), (change, wall)


@pytest.mark.parametrize("line", [*REAL_TIME, *AT_AN_HOUR])
def test_latest_count_preceding_newest_and_following_tell_one_story(line: str) -> None:
    around = 4 * HOUR if line == "*/15 * * * *" else DAY
    for change in one_of_each_shape():
        for dst in KNOBS[:1] if line in REAL_TIME else KNOBS:
            schedule = Schedule(line=line, zone=change.zone, dst=dst)
            first = next_slot(line, change.zone, change.at - around, dst)
            chain = [first]
            while chain[-1] < change.at + around:
                chain.append(schedule.following(chain[-1]) or first)
            for number, slot in islice(enumerate(chain), 1, None):
                assert schedule.latest(first, slot) == (slot, number)
                assert schedule.latest(first, slot - timedelta(seconds=1))[0] == chain[number - 1]
                assert schedule.preceding(slot) == chain[number - 1]
                assert schedule.newest(first, slot, 3) == chain[max(0, number - 2)]


@settings(deadline=None)
@given(moment=MOMENTS, zone=st.sampled_from(ZONES))
def test_a_stretch_has_the_offset_that_the_zone_has(moment: datetime, zone: str) -> None:
    offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    ahead, behind = next(stretches(zone, moment)), next(stretches_back(zone, moment))
    assert ahead == behind
    assert ahead.begin <= moment < ahead.end
    assert ahead.offset == offset


@settings(deadline=None)
@given(
    moment=MOMENTS,
    zone=st.sampled_from(ZONES),
    line=st.sampled_from(["5 4 * * SUN", "0 0 1 * *", "59 23 31 12 *", "*/7 3,4 * * *"]),
    dst=st.sampled_from(KNOBS),
)
def test_forwards_and_backwards_meet_anywhere(
    moment: datetime, zone: str, line: str, dst: Dst
) -> None:
    ahead = list(islice(slots(line, zone, moment, dst), 5))
    back = list(islice(slots_back(line, zone, ahead[-1], dst), 5))
    assert ahead == back[::-1]
    assert bisect_left(ahead, moment) == 0


def test_the_knobs_are_written_only_where_they_differ_and_come_back() -> None:
    plain = {"cron": "30 2 * * *", "tz": "Europe/Berlin"}
    usual = {**plain, "dst": {"missing": "shift", "repeated": "first"}}
    other = {**plain, "dst": {"missing": "skip", "repeated": "first"}}
    assert Schedule.from_dict(usual).to_dict() == plain
    assert Schedule.from_dict(other).to_dict() == other
    assert Schedule.from_dict({**plain, "dst": {"missing": "skip"}}).to_dict() == other


@pytest.mark.parametrize(
    "written",
    [
        {"cron": "0 3 * * *", "dst": {"missing": "later"}},
        {"cron": "0 3 * * *", "dst": {"repeated": "last"}},
        {"cron": "0 3 * * *", "dst": {"twice": "both"}},
        {"cron": "0 3 * * *", "dst": "shift"},
        {"cron": "0 3 * * *", "dst": {"missing": ["shift"]}},
        {"every": 60, "dst": {}},
    ],
)
def test_knobs_that_are_none_are_refused(written: dict[str, Any]) -> None:
    with pytest.raises(InvalidSchedule):
        Schedule.from_dict(written)

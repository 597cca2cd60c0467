"""The slots of a cadence: which ticks must exist, so that silence is an answer too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from cronsim import CronSim

COUNTED_SLOTS = 121


def slots_after(cadence: str, time_zone: str, start: datetime) -> Iterator[datetime]:
    """The nominal instants strictly after `start`, in UTC, without end."""
    for slot in CronSim(cadence, start.astimezone(ZoneInfo(time_zone))):
        yield slot.astimezone(UTC)


def slots_between(
    cadence: str, time_zone: str, start: datetime, end: datetime
) -> tuple[datetime, ...]:
    """The slots in (start, end]."""
    found = []
    for slot in slots_after(cadence, time_zone, start):
        if slot > end:
            break
        found.append(slot)
    return tuple(found)


def next_slots(cadence: str, time_zone: str, start: datetime, count: int) -> tuple[datetime, ...]:
    """The next `count` slots strictly after `start`."""
    slots = slots_after(cadence, time_zone, start)
    return tuple(next(slots) for _ in range(count))


def interval(cadence: str, time_zone: str, start: datetime) -> timedelta:
    """The time from the next slot to the one after it."""
    first, second = next_slots(cadence, time_zone, start, 2)
    return second - first


def longest_pause(cadence: str, time_zone: str, start: datetime) -> float:
    """Seconds of the longest of the next 120 intervals, for one such as */7 is not even."""
    slots = next_slots(cadence, time_zone, start, COUNTED_SLOTS)
    return max((after - before).total_seconds() for before, after in pairwise(slots))


def clock_changes(cadence: str, time_zone: str, start: datetime) -> tuple[datetime, ...]:
    """Changes of the zone's offset within a year of `start` at which a slot could be hit.

    Only a cadence that names an hour can be: one that runs at every hour runs on both sides.
    """
    zone = ZoneInfo(time_zone)
    if cadence.split()[1] == "*":
        return ()
    found = []
    day = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number in range(366):
        before = day + timedelta(days=number)
        after = before + timedelta(days=1)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            found.append(before)
    return tuple(found)

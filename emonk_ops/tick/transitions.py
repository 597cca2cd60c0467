"""When the clocks of a time zone change: stretches of time in which its offset stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from emonk_ops.tick.errors import InvalidSchedule

NOTHING = timedelta(0)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The time from `begin` until before `end`, with one `offset` from UTC.

    Wall times are naive datetimes. `missing` holds the first and the end of those that a change
    at `begin` leaves out, and `fresh` is the first one that was not there already before.
    """

    begin: datetime
    end: datetime
    offset: timedelta
    missing: tuple[datetime, datetime] | None
    fresh: datetime

    @property
    def first(self) -> datetime:
        """Its first wall time."""
        return wall_of(self.begin, self.offset)

    @property
    def last(self) -> datetime:
        """The wall time at which it ends, which is no longer in it."""
        return wall_of(self.end, self.offset)


def wall_of(moment: datetime, offset: timedelta) -> datetime:
    """What clocks that are `offset` ahead of UTC show at an instant."""
    return moment.replace(tzinfo=None) + offset


@lru_cache(maxsize=1024)
def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name. Raises InvalidSchedule for an unknown one."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidSchedule(
            f"'{name}' is not a time zone.", hint="Use an IANA name such as Europe/Berlin."
        ) from error


def stretches(zone: str, moment: datetime) -> Iterator[Stretch]:
    """The stretch that holds `moment` and those after it; each ends with its year at the latest."""
    for year in range(moment.year, MAXYEAR):
        for stretch in _of_year(zone, year):
            if stretch.end > moment:
                yield stretch


def stretches_back(zone: str, moment: datetime) -> Iterator[Stretch]:
    """The stretch that holds `moment` and those before it, the latest first."""
    for year in range(moment.year, MINYEAR + 1, -1):
        for stretch in reversed(_of_year(zone, year)):
            if stretch.begin <= moment:
                yield stretch


def changes_of(zone: str, year: int) -> tuple[datetime, ...]:
    """The instants of a year (UTC) at which the zone's offset changes; whole seconds."""
    return () if zone == "UTC" else _changes(zone, year)


@lru_cache(maxsize=8192)
def _of_year(zone: str, year: int) -> tuple[Stretch, ...]:
    known = zone_of(zone)
    start, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    changes = changes_of(zone, year)
    # Wall times may still come twice on the first day of a year.
    recent = [change for change in changes_of(zone, year - 1) if start - change < DAY]
    begins = [*(() if start in changes else (start,)), *changes]
    found = []
    for begin, until in zip(begins, [*begins[1:], end], strict=True):
        recent = [*recent, begin] if begin in changes else recent
        found.append(_stretch(known, begin, until, recent[-1:]))
    return tuple(found)


def _stretch(zone: tzinfo, begin: datetime, end: datetime, changes: list[datetime]) -> Stretch:
    offset = _offset(zone, begin)
    first, missing = wall_of(begin, offset), None
    fresh = first
    for change in changes:
        ended = wall_of(change, _offset(zone, change - SECOND))
        fresh = max(first, ended)
        missing = (ended, first) if change == begin and ended < first else None
    return Stretch(begin, end, offset, missing, fresh)


@lru_cache(maxsize=8192)
def _changes(zone: str, year: int) -> tuple[datetime, ...]:
    known = zone_of(zone)
    found = []
    begin = datetime(year, 1, 1, tzinfo=UTC) - SECOND
    end = datetime(year + 1, 1, 1, tzinfo=UTC) - SECOND
    while begin < end:
        until = min(begin + DAY, end)
        if _offset(known, begin) != _offset(known, until):
            found.append(_between(known, begin, until))
        begin = until
    return tuple(found)


def _between(zone: tzinfo, early: datetime, late: datetime) -> datetime:
    offset = _offset(zone, early)
    while late - early > SECOND:
        middle = early + (late - early) // (2 * SECOND) * SECOND
        if _offset(zone, middle) == offset:
            early = middle
        else:
            late = middle
    return late


def _offset(zone: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(zone).utcoffset() or NOTHING

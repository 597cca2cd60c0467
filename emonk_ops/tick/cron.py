"""Five-field cron lines in a time zone: strict about what is written, exact about what is next.

A line names wall times. Where the clocks change, a wall time may be missing or come twice, and
`Dst` says what happens then. The walk goes from stretch to stretch of one offset, so that every
slot has its place, forwards and backwards the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from emonk_ops.tick.errors import InvalidSchedule
from emonk_ops.tick.transitions import (
    SECOND,
    Stretch,
    stretches,
    stretches_back,
    wall_of,
    zone_of,
)

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
MOST_COUNTED_SLOTS = 10_000
MISSING = ("shift", "skip")
REPEATED = ("first", "both")

_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_TERM = rf"(?:(?:\*|{_VALUE}-{_VALUE})(?:/[1-9]\d?)?|{_VALUE})"
_FIELD = re.compile(rf"{_TERM}(?:,{_TERM})*")


@dataclass(frozen=True, slots=True)
class Dst:
    """What becomes of a wall time that a change of the clocks leaves out, or brings twice.

    `missing` is shift (run when the clocks have changed) or skip, `repeated` is first or both.
    A line whose hours are `*`, `*/n` or all of the day runs in real time: what is missing is
    skipped and what comes twice runs twice, whatever is said here.
    """

    missing: str = "shift"
    repeated: str = "first"

    @classmethod
    def from_dict(cls, data: Any) -> Dst:
        """Read the JSON form; what is not said is the default. Raises InvalidSchedule."""
        known = {"missing": MISSING, "repeated": REPEATED}
        if not isinstance(data, Mapping) or set(data) - set(known):
            raise InvalidSchedule(
                f"dst={data!r} is not understood.",
                hint='Write {"missing": "shift"|"skip", "repeated": "first"|"both"}.',
            )
        for name, value in data.items():
            if value not in known[name]:
                raise InvalidSchedule(
                    f"dst: {name}={value!r} is not known.", hint=f"Use {' or '.join(known[name])}."
                )
        return cls(**data)

    def to_dict(self) -> dict[str, str]:
        """The JSON form."""
        return {"missing": self.missing, "repeated": self.repeated}


USUAL = Dst()
REAL_TIME = Dst(missing="skip", repeated="both")


def check_cron(line: str, zone: str = "UTC") -> str:
    """`line` with single blanks. Raises InvalidSchedule naming the field that is wrong.

    Only what every cron agrees on is taken: `*`, values, names, ranges, lists, and steps over
    `*` or a range. No seconds, no `L`, `W`, `#`, `?` and no `@daily`.
    """
    fields = line.split()
    if len(fields) != len(FIELDS):
        raise InvalidSchedule(
            f"cron '{line}' has {len(fields)} fields; exactly five are expected "
            "(minute hour day-of-month month day-of-week).",
            hint="Every five minutes is '*/5 * * * *'.",
        )
    for name, field in zip(FIELDS, fields, strict=True):
        if not _FIELD.fullmatch(field):
            raise InvalidSchedule(
                f"cron '{line}': '{field}' is not a {name}.",
                hint="Use *, a value, a range a-b, a list a,b, or a step */n or a-b/n.",
            )
    normal = " ".join(fields)
    zone_of(zone)
    next(_matches(normal, datetime(2026, 1, 1)))  # noqa: DTZ001 - a wall time
    return normal


def slots(line: str, zone: str, after: datetime, dst: Dst = USUAL) -> Iterator[datetime]:
    """The slots strictly later than `after`, in UTC, in order. Raises InvalidSchedule."""
    rule = _rule(line, dst)
    for stretch in stretches(zone, after):
        if stretch.begin > after and _shifted(line, stretch, rule):
            yield stretch.begin
            after = stretch.begin
        for wall in _matches(line, max(_begin(stretch, rule), _next_second(after, stretch))):
            if wall >= stretch.last:
                break
            yield (wall - stretch.offset).replace(tzinfo=UTC)


def slots_back(line: str, zone: str, until: datetime, dst: Dst = USUAL) -> Iterator[datetime]:
    """The slots at or before `until`, in UTC, the latest first. Raises InvalidSchedule."""
    rule = _rule(line, dst)
    for stretch in stretches_back(zone, until):
        begin, last = _begin(stretch, rule), None
        for wall in _matches_back(line, min(stretch.last - SECOND, wall_of(until, stretch.offset))):
            if wall < begin:
                break
            last = (wall - stretch.offset).replace(tzinfo=UTC)
            yield last
        if last != stretch.begin and _shifted(line, stretch, rule):
            yield stretch.begin


def next_slot(line: str, zone: str, after: datetime, dst: Dst = USUAL) -> datetime:
    """The first slot strictly later than `after`, in UTC."""
    return next(slots(line, zone, after, dst))


def latest_slot(line: str, zone: str, until: datetime, dst: Dst = USUAL) -> datetime:
    """The last slot at or before `until`, in UTC."""
    return next(slots_back(line, zone, until, dst))


def count_slots(line: str, zone: str, first: datetime, last: datetime, dst: Dst = USUAL) -> int:
    """How many slots lie in `first`..`last`, both included; counting ends at 10,000."""
    count = 1
    for slot in slots(line, zone, first, dst):
        if slot > last or count >= MOST_COUNTED_SLOTS:
            break
        count += 1
    return count


@lru_cache(maxsize=1024)
def runs_in_real_time(line: str) -> bool:
    """Whether the line's hours are `*`, `*/n`, or all of the day."""
    hours = line.split()[1]
    if hours.startswith("*"):
        return True
    day = datetime(2026, 1, 1)  # noqa: DTZ001 - a wall time
    every_hour = (day + timedelta(hours=hour) for hour in range(24))
    return all(next(_matches(f"0 {hours} * * *", hour)) == hour for hour in every_hour)


def _rule(line: str, dst: Dst) -> Dst:
    return REAL_TIME if runs_in_real_time(line) else dst


def _begin(stretch: Stretch, rule: Dst) -> datetime:
    return stretch.fresh if rule.repeated == "first" else stretch.first


def _shifted(line: str, stretch: Stretch, rule: Dst) -> bool:
    """Whether a slot that the beginning of the stretch leaves out runs at that beginning."""
    if rule.missing == "skip" or stretch.missing is None:
        return False
    begin, end = stretch.missing
    return next(_matches(line, begin)) < end


def _next_second(after: datetime, stretch: Stretch) -> datetime:
    if after < stretch.begin:
        return stretch.first
    return (wall_of(after, stretch.offset) + SECOND).replace(microsecond=0)


def _matches(line: str, begin: datetime) -> Iterator[datetime]:
    """The wall times that the line names, from `begin` on."""
    return _walk(line, begin - SECOND, backwards=False)


def _matches_back(line: str, end: datetime) -> Iterator[datetime]:
    """The wall times that the line names, from `end` backwards."""
    return _walk(line, end.replace(microsecond=0) + SECOND, backwards=True)


def _walk(line: str, start: datetime, *, backwards: bool) -> Iterator[datetime]:
    from cronsim import CronSim, CronSimError

    try:
        yield from CronSim(line, start, reverse=backwards)
    except CronSimError as error:
        raise InvalidSchedule(f"cron '{line}': {error}.") from error
    raise InvalidSchedule(f"cron '{line}' never comes round.")

"""Five-field cron lines in a time zone: strict about what is written, exact about what is next."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from emonk_ops.tick.errors import InvalidSchedule

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
MOST_COUNTED_SLOTS = 10_000

_VALUE = r"(?:\d{1,2}|[A-Za-z]{3})"
_TERM = rf"(?:(?:\*|{_VALUE}-{_VALUE})(?:/[1-9]\d?)?|{_VALUE})"
_FIELD = re.compile(rf"{_TERM}(?:,{_TERM})*")


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
    next_slot(normal, zone, datetime(2026, 1, 1, tzinfo=UTC))
    return normal


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


def next_slot(line: str, zone: str, after: datetime) -> datetime:
    """The first slot strictly later than `after`, in UTC."""
    return _walk(line, zone, after, backwards=False)


def latest_slot(line: str, zone: str, until: datetime) -> datetime:
    """The last slot at or before `until`, in UTC."""
    return _walk(line, zone, until + timedelta(microseconds=1), backwards=True)


def count_slots(line: str, zone: str, first: datetime, last: datetime) -> int:
    """How many slots lie in `first`..`last`, both included; counting ends at 10,000."""
    count, slot = 1, first
    while slot < last and count < MOST_COUNTED_SLOTS:
        slot = next_slot(line, zone, slot)
        count += 1
    return count


def _walk(line: str, zone: str, start: datetime, *, backwards: bool) -> datetime:
    from cronsim import CronSim, CronSimError

    try:
        found: datetime = next(CronSim(line, start.astimezone(zone_of(zone)), reverse=backwards))
    except CronSimError as error:
        raise InvalidSchedule(f"cron '{line}': {error}.") from error
    except StopIteration as error:
        raise InvalidSchedule(f"cron '{line}' never comes round.") from error
    return found.astimezone(UTC)

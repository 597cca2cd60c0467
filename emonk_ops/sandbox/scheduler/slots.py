"""Slots of a unix-cron schedule in a time zone (cloud.google.com/scheduler/docs/configuring)."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from emonk_ops.sandbox.scheduler.errors import bad_schedule, not_implemented

DEFAULT_ZONE = "UTC"
_MONTHS = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC"
_DAYS = "SUN|MON|TUE|WED|THU|FRI|SAT"
_FIELDS = tuple(
    re.compile(rf"(?:{item})(?:,(?:{item}))*")
    for item in (
        rf"\*(?:/\d+)?|(?:\d+{names})(?:-(?:\d+{names})(?:/\d+)?)?"
        for names in ("", "", "", "|" + _MONTHS, "|" + _DAYS)
    )
)
_APP_ENGINE = re.compile(r"(every|\d+(st|nd|rd|th)|first|second|third|fourth|fifth)\b", re.I)


def check_schedule(schedule: str, zone: str) -> None:
    """Raise Refusal unless the schedule has five unix-cron fields and the zone is in tzdata."""
    if _APP_ENGINE.match(schedule.strip()):
        raise not_implemented(
            f"App Engine cron syntax ('{schedule}'); write it in unix-cron format, as */5 * * * *"
        )
    fields = schedule.split()
    if len(fields) != len(_FIELDS):
        raise bad_schedule()
    if not all(known.fullmatch(field) for known, field in zip(_FIELDS, fields, strict=True)):
        raise bad_schedule()
    try:
        CronSim(" ".join(fields), datetime(2000, 1, 1, tzinfo=zone_named(zone)))
    except (CronSimError, ValueError) as exc:
        raise bad_schedule() from exc


def zone_named(zone: str) -> ZoneInfo:
    """The zone, UTC for none; raises Refusal for an unknown one."""
    try:
        return ZoneInfo(zone or DEFAULT_ZONE)
    except (KeyError, ValueError, OSError) as exc:
        raise bad_schedule() from exc


def next_slot(schedule: str, zone: str, after: datetime) -> datetime | None:
    """The first slot later than `after`, aware UTC; None when there is none in fifty years."""
    local = after.astimezone(zone_named(zone))
    try:
        return next(CronSim(" ".join(schedule.split()), local)).astimezone(UTC)
    except (StopIteration, CronSimError):
        return None


def dispatch_offset(slot: datetime, job: str, seed: int, seconds: tuple[float, float]) -> timedelta:
    """How late a slot is dispatched, between both ends of `seconds`; the same for the same seed."""
    digest = hashlib.sha256(f"{seed}|{job}|{slot.isoformat()}".encode()).digest()
    fraction = int.from_bytes(digest[:6], "big") / 2**48
    low, high = seconds
    return timedelta(milliseconds=round(1000 * (low + (high - low) * fraction)))

"""When a job's slots are: by a cron line, every so many seconds, or once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from emonk_ops.tick import cron
from emonk_ops.tick.errors import InvalidSchedule
from emonk_ops.tick.instants import aware, from_text, to_text

SHORTEST_PERIOD_SECONDS = 1.0
MOMENT = timedelta(microseconds=1)
EXAMPLE = (
    'Write {"cron": "*/5 * * * *", "tz": "UTC"}, {"every": 300} or {"at": "2026-01-05T12:00:00Z"}.'
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Exactly one of `line` (with `zone` and `dst`), `every` (seconds) and `at` is set."""

    line: str | None = None
    zone: str = "UTC"
    every: float | None = None
    at: datetime | None = None
    dst: cron.Dst = cron.USUAL

    @classmethod
    def once(cls, at: datetime) -> Schedule:
        """One slot. Raises NaiveTime for a datetime without a zone."""
        return cls(at=aware(at, "schedule_at"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Schedule:
        """Read the JSON form. Raises InvalidSchedule or NaiveTime."""
        kinds = [key for key in ("cron", "every", "at") if data.get(key) is not None]
        extra = set(data) - {"cron", "every", "at", "tz", "dst"}
        if len(kinds) != 1 or extra or ("dst" in data and kinds != ["cron"]):
            raise InvalidSchedule(f"'{dict(data)}' is not a schedule.", hint=EXAMPLE)
        kind, value, zone = kinds[0], data[kinds[0]], str(data.get("tz", "UTC"))
        if kind == "cron":
            dst = cron.Dst.from_dict(data.get("dst", {}))
            return cls(line=cron.check_cron(str(value), zone), zone=zone, dst=dst)
        if kind == "every":
            return cls(every=_period(value))
        try:
            return cls(at=from_text(str(value), "at"))
        except ValueError as error:
            raise InvalidSchedule(f"'{value}' is not an instant.", hint=EXAMPLE) from error

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        if self.line is not None:
            written: dict[str, Any] = {"cron": self.line, "tz": self.zone}
            return written if self.dst == cron.USUAL else {**written, "dst": self.dst.to_dict()}
        if self.every is not None:
            return {"every": self.every}
        return {"at": None if self.at is None else to_text(self.at)}

    @property
    def recurs(self) -> bool:
        """Whether another slot follows each one."""
        return self.at is None

    def first(self, now: datetime) -> datetime:
        """The first slot of a job that begins to exist `now`."""
        if self.at is not None:
            return self.at
        return self._after(now)

    def following(self, slot: datetime) -> datetime | None:
        """The slot after `slot`, reckoned from the slot itself; None for a one-off job."""
        return None if self.at is not None else self._after(slot)

    def latest(self, slot: datetime, now: datetime) -> tuple[datetime, int]:
        """The last slot in `slot`..`now`, and how many lie before it (counted up to 10,000)."""
        if self.every is not None:
            passed = int((now - slot).total_seconds() // self.every)
            return slot + timedelta(seconds=passed * self.every), passed
        following = self.following(slot)
        if following is None or following > now or self.line is None:
            return slot, 0
        last = cron.latest_slot(self.line, self.zone, now, self.dst)
        return last, cron.count_slots(self.line, self.zone, slot, last, self.dst) - 1

    def preceding(self, slot: datetime) -> datetime:
        """The slot before `slot`, which must not be the only one."""
        if self.line is not None:
            return cron.latest_slot(self.line, self.zone, slot - MOMENT, self.dst)
        return slot - timedelta(seconds=self.every or 0)

    def newest(self, slot: datetime, now: datetime, most: int) -> datetime:
        """The first of the last `most` slots in `slot`..`now`; `slot` where there are no more."""
        if self.every is not None:
            last, passed = self.latest(slot, now)
            return max(slot, last - timedelta(seconds=min(most - 1, passed) * self.every))
        if self.line is None:
            return slot
        ahead = islice(cron.slots(self.line, self.zone, slot, self.dst), most)
        if any(later > now for later in ahead):
            return slot
        back = cron.slots_back(self.line, self.zone, now, self.dst)
        return next(islice(back, most - 1, most))

    def _after(self, moment: datetime) -> datetime:
        if self.line is not None:
            return cron.next_slot(self.line, self.zone, moment, self.dst)
        if self.every is None:
            raise InvalidSchedule("a schedule without cron, every or at.", hint=EXAMPLE)
        return (moment + timedelta(seconds=self.every)).astimezone(UTC)


def _period(value: object) -> float:
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not SHORTEST_PERIOD_SECONDS <= seconds < float("inf"):
        raise InvalidSchedule(
            f"every={value!r} is not a number of seconds of at least 1.", hint=EXAMPLE
        )
    return seconds

"""A day of the review as its sums: small enough for the journal, and all that is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any

from emonk_ops.operations.acceptance.percentiles import at_most
from emonk_ops.operations.acceptance.stretch import Counted, Stretch, example

# What a day is counted by. Another version reads its days anew.
VERSION = 1
DAY = timedelta(days=1)
SUMS = tuple(
    one.name
    for one in fields(Counted)
    if one.type in ("int", "float") and one.name != "worst_lag_seconds"
)


@dataclass(frozen=True)
class Latency:
    """Of the tick endpoint by the request log, in seconds; None without enough requests."""

    n: int
    p50: float | None
    p99: float | None
    most: float | None


@dataclass(frozen=True)
class DayDigest:
    """The day in UTC that begins at `since`. `sums` are the numbers of `Counted`, by name."""

    since: datetime
    cadence: str
    healthy: int
    missing: int
    lines_lost: int
    worst_lag_seconds: float
    sums: Mapping[str, float]
    doubled: tuple[str, ...]  # examples
    latency: Latency
    evidence: str = ""  # its name beside the journal

    @property
    def day(self) -> date:
        return self.since.date()

    @property
    def expected(self) -> int:
        return int(self.sums["expected"])

    @property
    def gap(self) -> str:
        """Why the day is not covered, in words; empty where it is."""
        if not self.expected:
            return ""
        if not self.sums["arrived"] and not self.sums["told"]:
            return "the log is silent"
        if self.lines_lost:
            return f"{self.lines_lost} log lines are missing"
        if self.sums["runs_told"] < self.sums["executed"]:
            return "lines of runs are missing"
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data; `digest_of_dict` reads it."""
        told = asdict(self)
        return {**told, "since": self.since.isoformat(), "doubled": list(self.doubled)}


def digest_of_dict(told: Mapping[str, Any]) -> DayDigest:
    """Raises KeyError, TypeError or ValueError for what `to_dict` did not write."""
    known = {one.name: told[one.name] for one in fields(DayDigest)}
    known["since"] = datetime.fromisoformat(known["since"])
    known["doubled"] = tuple(known["doubled"])
    known["latency"] = Latency(**known["latency"])
    known["sums"] = {name: known["sums"][name] for name in SUMS}
    return DayDigest(**known)


def digest_of(day: Stretch, cadence: str, evidence: str = "") -> DayDigest:
    """The sums of one day's stretch."""
    counted = day.counted
    return DayDigest(
        since=day.since,
        cadence=cadence,
        healthy=sum(one.healthy for one in day.slots),
        missing=len(counted.missing),
        lines_lost=day.lines_lost,
        worst_lag_seconds=round(counted.worst_lag_seconds, 3),
        sums={name: getattr(counted, name) for name in SUMS},
        doubled=tuple(counted.doubled),
        latency=_latency(counted.latencies),
        evidence=evidence,
    )


def summed(days: Iterable[DayDigest]) -> Stretch:
    """All of them as one stretch with its sums, and without its ticks one by one."""
    parts = list(days)
    whole = Stretch(parts[0].since, parts[-1].since + DAY)
    for one in parts:
        whole.lines_lost += one.lines_lost
        counted = whole.counted
        for name, value in one.sums.items():
            setattr(counted, name, getattr(counted, name) + value)
        for text in one.doubled:
            example(counted.doubled, text)
        counted.worst_lag_seconds = max(counted.worst_lag_seconds, one.worst_lag_seconds)
    return whole


def _latency(samples: list[float]) -> Latency:
    if not samples:
        return Latency(0, None, None, None)
    ordered = sorted(samples)
    p99 = at_most(ordered, 0.99, ordered[-1])
    return Latency(
        len(ordered),
        round(ordered[len(ordered) // 2], 4),
        p99.value if p99.borne == 0.99 else None,
        round(ordered[-1], 4),
    )

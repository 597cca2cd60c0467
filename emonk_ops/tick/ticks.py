"""The record of one tick: the guide's metrics and what explains them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

COUNTERS = (
    "jobs_checked",
    "jobs_due",
    "jobs_executed",
    "jobs_succeeded",
    "jobs_failed",
    "lost_race",
    "rescued",
    "retried",
    "dead",
    "skipped",
    "coalesced",
    "released",
    "stale_completion",
    "unresolved",
    "key_busy",
    "renewed",
)


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one tick did. Times in milliseconds save `lag_seconds`, the worst lateness of a slot.

    `overhead_ms` is the time in which no handler ran. `storage_errors` maps a code to
    `{"count": n, "transient": bool}`, `storage_latency_ms` has count, p50 and max of the calls.
    """

    jobs_checked: int = 0
    jobs_due: int = 0
    jobs_executed: int = 0
    jobs_succeeded: int = 0
    jobs_failed: int = 0
    lost_race: int = 0
    rescued: int = 0
    retried: int = 0
    dead: int = 0
    skipped: int = 0
    coalesced: int = 0
    released: int = 0
    stale_completion: int = 0
    unresolved: int = 0
    key_busy: int = 0
    renewed: int = 0
    lag_seconds: float = 0.0
    duration_ms: float = 0.0
    overhead_ms: float = 0.0
    storage_ops: int = 0
    storage_reads: int = 0
    storage_writes: int = 0
    storage_errors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    storage_latency_ms: Mapping[str, float] = field(default_factory=dict)
    errors_by_type: Mapping[str, int] = field(default_factory=dict)
    cold_start: bool = False
    more_due: bool = False
    executed: bool = True
    reason: str = ""
    tick_id: str = ""
    path: str = ""
    driver: str | None = None
    epoch: int = 0
    poll_failed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, every field under its own name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TickReport:
        """Read a tick's answer or log entry; unknown fields are left aside, absent ones are zero.

        Raises ValueError when a counter is not a whole number.
        """
        known = {item.name for item in fields(cls)}
        values = {key: value for key, value in data.items() if key in known}
        for name in COUNTERS:
            if name in values:
                values[name] = _whole(name, values[name])
        return cls(**values)


def _whole(name: str, value: object) -> int:
    # Cloud Logging gives numbers back as floats.
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"{name}={value!r} of a tick is not a whole number")
    return int(value)

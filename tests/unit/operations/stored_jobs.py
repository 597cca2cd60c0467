"""Stored jobs for tests, in their JSON form and read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LEASED = {"state": "leased", "lease_id": "l", "lease_by": "r1/i/t", "fence": 4, "attempt": 1}


def leased_until(now: datetime, seconds: float) -> str:
    return (now + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat() + "Z"


def job(name: str = "a", *, schedule: Schedule | None = None, **more: Any) -> Job:
    """Every five minutes since noon, and nothing has run yet."""
    chosen = schedule or Schedule(line="*/5 * * * *")
    slot = chosen.first(NOW)
    fresh = Job(name, "log", chosen, {}, JobState.SCHEDULED, slot, slot, NOW)
    return replace(fresh, **more)


def stored(name: str, **more: Any) -> dict[str, Any]:
    return {**job(name).to_dict(), **more}

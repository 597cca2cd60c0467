"""The job that a fault is aimed at: its only effect is a log line with the idempotency key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from emonk_ops.toolbox import Toolbox

TYPE = "emonk_canary"
ATTEMPTS = 10  # an outage must not use them up


def once(
    tools: Toolbox,
    job_id: str,
    at: datetime,
    *,
    duration_seconds: float = 0.0,
    exit_on_attempt: int = 0,
) -> Mapping[str, Any]:
    """One run at `at`, past or future."""
    payload: dict[str, Any] = {"run_id": job_id, "duration_seconds": duration_seconds}
    if exit_on_attempt:
        payload["exit_on_attempt"] = exit_on_attempt
    return _schedule(tools, job_id, {"at": at.isoformat()}, payload, "run_once")


def at_every_tick(tools: Toolbox, job_id: str) -> Mapping[str, Any]:
    """One run a tick; each that is missed is run later, so that a lost one shows."""
    env = tools.env
    schedule = {"cron": env.cadence, "tz": env.time_zone}
    return _schedule(tools, job_id, schedule, {"run_id": job_id}, "run_all")


def undo(job_id: str) -> dict[str, Any]:
    return {"kind": "canary", "id": job_id}


def _schedule(
    tools: Toolbox,
    job_id: str,
    schedule: Mapping[str, Any],
    payload: Mapping[str, Any],
    misfire: str,
) -> Mapping[str, Any]:
    wanted = {
        "id": job_id,
        "type": TYPE,
        "schedule": dict(schedule),
        "payload": dict(payload),
        "misfire": misfire,
        "max_attempts": ATTEMPTS,
        "backoff_seconds": 1,
    }
    return tools.service.schedule_job(wanted)

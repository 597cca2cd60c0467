"""What the commands about jobs share: options, instants, and how a job looks on a line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer

from emonk_ops.errors import UsageError

JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="ID")]
WaitSeconds = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait for live leases to end.")
]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def sound_id(job_id: str) -> str:
    """The id, if it can be one. Raises UsageError."""
    if not _ID.fullmatch(job_id):
        raise UsageError(
            f"{job_id!r} cannot be a job's id: letters, digits and . _ : - are allowed",
            hint="emonk-ops jobs list names the jobs",
        )
    return job_id


def instant_of(text: str, option: str) -> datetime:
    """The instant of an ISO 8601 text with a zone. Raises UsageError showing the right form."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        what = "no instant" if found is None else "without a time zone, so it means none"
        raise UsageError(f"{option} {text}: {what}", hint=f"{option} 2026-01-05T12:00:00Z")
    return found


def schedule_text(schedule: Mapping[str, Any]) -> str:
    """Such as "*/5 * * * * UTC", "every 300 s" or "once"."""
    if "cron" in schedule:
        return f"{schedule['cron']} {schedule.get('tz', 'UTC')}"
    if "every" in schedule:
        return f"every {schedule['every']:g} s"
    return "once"


def state_text(job: Mapping[str, Any]) -> str:
    """The state, and that a run in hand will be the last before the pause."""
    return f"{job['state']}, pausing" if job["paused"] and job["lease_until"] else job["state"]

"""Entries of cloudscheduler.googleapis.com/executions: AttemptStarted and AttemptFinished."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from google.cloud.logging_v2.types import LogEntry

from emonk_ops.sandbox.scheduler.outcomes import Outcome
from emonk_ops.sandbox.scheduler.validation import name_parts

LOG_ID = "cloudscheduler.googleapis.com%2Fexecutions"
_TYPE = "type.googleapis.com/google.cloud.scheduler.logging."
_RAW: Any = LogEntry.pb()


def started_entry(job: Any, scheduled: datetime, now: datetime) -> Any:
    """The raw LogEntry of an attempt that begins; `job` is a raw Job."""
    entry = _entry(job, "AttemptStarted", "INFO", now)
    entry.json_payload.update({"scheduledTime": _stamp(scheduled)})
    return entry


def finished_entry(job: Any, outcome: Outcome, now: datetime) -> Any:
    """The raw LogEntry of an attempt that ended; `status` only says what went wrong."""
    entry = _entry(job, "AttemptFinished", "INFO" if outcome.succeeded else "ERROR", now)
    entry.json_payload.update({"debugInfo": outcome.debug_info})
    if not outcome.succeeded:
        entry.json_payload.update({"status": outcome.code})
    if outcome.http_status is not None:
        entry.http_request.status = outcome.http_status
    return entry


def _entry(job: Any, kind: str, severity: str, now: datetime) -> Any:
    project, location, job_id = name_parts(job.name)
    entry = _RAW(log_name=f"projects/{project}/logs/{LOG_ID}", severity=severity)
    entry.resource.type = "cloud_scheduler_job"
    entry.resource.labels.update({"project_id": project, "location": location, "job_id": job_id})
    entry.json_payload.update(
        {
            "@type": _TYPE + kind,
            "jobName": job.name,
            "targetType": "HTTP",
            "url": job.http_target.uri,
        }
    )
    entry.timestamp.FromDatetime(now)
    return entry


def _stamp(when: datetime) -> str:
    return when.isoformat(timespec="microseconds").replace("+00:00", "Z")

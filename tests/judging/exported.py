"""Records of the model as Cloud Logging would export them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from emonk_ops.operations.analysis.records import (
    Attempt,
    Decision,
    Effect,
    Record,
    Request,
    Tick,
)
from emonk_ops.tick import logs
from emonk_ops.tick.jobs import Job, checksum

OWN = {"type": "cloud_run_revision", "labels": {"service_name": "emonk-agent"}}
JOB = {"type": "cloud_scheduler_job", "labels": {"job_id": "emonk-agent-tick"}}
LOGS = "projects/p/logs/"
TYPE = "type.googleapis.com/google.cloud.scheduler.logging."
MESSAGES = {
    "running": logs.TICK_RUNNING,
    "completed": logs.TICK_COMPLETED,
    "failed": logs.TICK_FAILED,
    "not_executed": logs.TICK_NOT_EXECUTED,
}


def text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def entries(records: Iterable[Record], name: str = "") -> Iterator[dict[str, Any]]:
    for number, one in enumerate(records):
        yield {"insertId": f"{name}{number:08x}", "timestamp": text(one.at), **_entry(one)}


def as_lines(records: Iterable[Record], name: str = "") -> str:
    return "".join(json.dumps(one) + "\n" for one in entries(records, name))


def as_array(records: Iterable[Record]) -> str:
    """As gcloud writes it: indented, the newest first."""
    return json.dumps(list(entries(records))[::-1], indent=2)


def export_of(jobs: Iterable[Job]) -> str:
    listed = [job.to_dict() for job in jobs]
    head = {"format": "emonk-jobs/1", "checksum": checksum(listed), "count": len(listed)}
    return json.dumps({**head, "held": [], "jobs": listed})


def _entry(one: Record) -> dict[str, Any]:
    if isinstance(one, Request):
        return {
            "logName": f"{LOGS}run.googleapis.com%2Frequests",
            "resource": OWN,
            "httpRequest": {
                "requestUrl": f"https://agent.test{one.path}",
                "requestMethod": one.method,
                "status": one.status,
                "latency": f"{one.latency_seconds}s",
                "userAgent": "Google-Cloud-Scheduler" if one.by_scheduler else "curl/8",
            },
        }
    if isinstance(one, Attempt):
        started = one.scheduled is not None
        said = {"@type": TYPE + ("AttemptStarted" if started else "AttemptFinished")}
        if one.scheduled is not None:
            said["scheduledTime"] = text(one.scheduled)
        http = {} if started else {"httpRequest": {"status": one.status}}
        name = f"{LOGS}cloudscheduler.googleapis.com%2Fexecutions"
        return {"logName": name, "resource": JOB, "jsonPayload": said, **http}
    return {
        "logName": f"{LOGS}run.googleapis.com%2Fstdout",
        "resource": OWN,
        "jsonPayload": _payload(one),
    }


def _payload(one: Record) -> dict[str, Any]:
    fields = {
        name: text(value) if isinstance(value, datetime) else value
        for name, value in one._asdict().items()
        if name != "at" and value is not None
    }
    if isinstance(one, Decision):
        folded = one.first_slot is not None
        return {"message": logs.DECISION, **fields, "coalesced": int(folded)}
    if isinstance(one, Tick):
        return {"message": MESSAGES[fields.pop("kind")], **fields}
    if isinstance(one, Effect):
        return {"message": logs.CANARY_EFFECT, **fields, "idempotency_key": fields.pop("key")}
    return {"message": logs.SHUT_DOWN, **fields}

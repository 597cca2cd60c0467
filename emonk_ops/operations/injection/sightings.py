"""What the log shows of a fault and of its target, as plain data that is kept as evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.operations.analysis.reading import EFFECT, REQUESTS, SCHEDULER_AGENT
from emonk_ops.operations.tick_window import of_service
from emonk_ops.ports import LogEntry
from emonk_ops.toolbox import Toolbox

Line = Mapping[str, Any]
EXECUTING = "Executing job"
STORAGE_ERRORS = ("Scheduler storage error", "Scheduler tick failed")
CODE = re.compile(r"\b(PERMISSION_DENIED|UNAVAILABLE)\b")
STARTED = "Agent Core created"
HARM = ("Job failed", "Job dead")
MOST = 500


def job_lines(tools: Toolbox, prefix: str, since: datetime) -> list[Line]:
    """Executions and effects of the jobs whose id begins with `prefix`, oldest first."""
    query = f'jsonPayload.job_id:"{prefix}" AND ("{EXECUTING}" OR "{EFFECT}")'
    return [
        {
            "at": one.timestamp.isoformat(),
            "what": "effect" if one.message == EFFECT else "execution",
            "job": str(one.payload.get("job_id", "")),
            "slot": str(one.payload.get("slot", "")),
            "fence": one.payload.get("fence"),
            "attempt": one.payload.get("attempt"),
            "revision": one.resource.get("revision_name", ""),
        }
        for one in _entries(tools, query, since)
    ]


def requests(tools: Toolbox, since: datetime) -> list[Line]:
    """POSTs of the tick endpoint that the platform logged; `at` is when each began."""
    path = tools.env.service.tick_path
    query = f'log_id("{REQUESTS}") AND httpRequest.requestUrl:"{path}"'
    return [
        {
            "at": one.timestamp.isoformat(),
            "seconds": float(one.http.get("latency_seconds", 0.0)),
            "status": int(one.http.get("status", 0) or 0),
            "by_scheduler": SCHEDULER_AGENT in str(one.http.get("userAgent", "")),
        }
        for one in _entries(tools, query, since)
    ]


def storage_errors(tools: Toolbox, since: datetime) -> list[Line]:
    """What the service said of its storage: in a call's own line, or as a tick's reason."""
    any_of = " OR ".join(f'jsonPayload.message="{one}"' for one in STORAGE_ERRORS)
    return [
        {"at": one.timestamp.isoformat(), "code": _code(one.payload)}
        for one in _entries(tools, f"({any_of})", since)
    ]


def starts(tools: Toolbox, since: datetime) -> list[Line]:
    """Instances that came up: none should, unless somebody deploys."""
    query = f'jsonPayload.message="{STARTED}"'
    return [
        {"at": one.timestamp.isoformat(), "revision": one.resource.get("revision_name", "")}
        for one in _entries(tools, query, since)
    ]


def harmed_jobs(tools: Toolbox, since: datetime) -> list[str]:
    """Jobs that are not ours and failed since."""
    any_of = " OR ".join(f'jsonPayload.message="{one}"' for one in HARM)
    found = {str(one.payload.get("job_id", "")) for one in _entries(tools, f"({any_of})", since)}
    return sorted(one for one in found if not one.startswith("emonk-inject-"))


def executions(lines: Iterable[Line], job: str) -> list[Line]:
    return [one for one in lines if one["what"] == "execution" and one["job"] == job]


def effects(lines: Iterable[Line], job: str) -> list[Line]:
    return [one for one in lines if one["what"] == "effect" and one["job"] == job]


def began(line: Line) -> datetime:
    return datetime.fromisoformat(str(line["at"]))


def ended(request: Line) -> datetime:
    return began(request) + timedelta(seconds=float(request["seconds"]))


def overlapping(found: Sequence[Line]) -> tuple[Line, Line] | None:
    """The first two requests of which one began before the other had ended."""
    ordered = sorted(found, key=began)
    for index, first in enumerate(ordered):
        for second in ordered[index + 1 :]:
            if began(second) < ended(first):
                return first, second
    return None


def _code(said: Mapping[str, Any]) -> str:
    found = CODE.search(f"{said.get('code')} {said.get('reason')} {said.get('error')}")
    return found[0] if found else str(said.get("code") or "")


def _entries(tools: Toolbox, query: str, since: datetime) -> list[LogEntry]:
    # Some fields of the service's time are a moment older than the operator's.
    begin = since - timedelta(seconds=1)
    asked = f"{of_service(tools.env)} AND {query}"
    return list(tools.logs.entries(asked, since=begin, limit=MOST))

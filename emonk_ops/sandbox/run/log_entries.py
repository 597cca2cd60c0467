"""Log entries as Cloud Run writes them: container output, requests, the platform's own words."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.cloud.logging_v2.types import LogEntry
from google.protobuf.json_format import ParseError
from google.protobuf.timestamp_pb2 import Timestamp

from emonk_ops.sandbox.run.spec import RevisionSpec

_RAW = LogEntry.pb()
_SEVERITIES = {
    "DEFAULT": 0,
    "DEBUG": 100,
    "INFO": 200,
    "NOTICE": 300,
    "WARNING": 400,
    "WARN": 400,
    "ERROR": 500,
    "CRITICAL": 600,
    "ALERT": 700,
    "EMERGENCY": 800,
}


def entry_of(spec: RevisionSpec, log_id: str, at: datetime, labels: Mapping[str, str]) -> Any:
    """An entry without payload in the revision's log, stamped `at`."""
    entry = _RAW(log_name=f"projects/{spec.project}/logs/{log_id.replace('/', '%2F')}")
    entry.resource.type = "cloud_run_revision"
    entry.resource.labels.update(spec.labels)
    entry.labels.update(labels)
    entry.timestamp.FromDatetime(at)
    return entry


def container_entry(
    spec: RevisionSpec, stream: str, line: bytes, at: datetime, labels: Mapping[str, str]
) -> Any:
    """A line of a container's output. A JSON object becomes the payload, and the special fields
    that Cloud Logging documents are lifted out of it; anything else is text.
    """
    entry = entry_of(spec, f"run.googleapis.com/{stream}", at, labels)
    text = line.decode("utf-8", errors="replace").rstrip("\r")
    content = _json_object(text)
    if content is None:
        entry.text_payload = text
        return entry
    _lift(entry, content, spec.project)
    try:
        entry.json_payload.update(content)
    except (ParseError, ValueError, TypeError):
        entry.ClearField("json_payload")
        entry.text_payload = text
    return entry


def _json_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        content = json.loads(text)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _lift(entry: Any, content: dict[str, Any], project: str) -> None:
    severity = content.get("severity")
    if isinstance(severity, str) and severity.upper() in _SEVERITIES:
        entry.severity = _SEVERITIES[severity.upper()]
        del content["severity"]
    for field in ("timestamp", "time"):
        moment = _stamp(content.get(field))
        if moment is not None:
            entry.timestamp.CopyFrom(moment)
            del content[field]
            break
    trace = content.pop("logging.googleapis.com/trace", None)
    if isinstance(trace, str):
        entry.trace = trace if "/" in trace else f"projects/{project}/traces/{trace}"
    for key, field in (("spanId", "span_id"), ("insertId", "insert_id")):
        value = content.pop(f"logging.googleapis.com/{key}", None)
        if isinstance(value, str):
            setattr(entry, field, value)
    labels = content.pop("logging.googleapis.com/labels", None)
    if isinstance(labels, dict):
        entry.labels.update({str(key): str(value) for key, value in labels.items()})
    _lift_location(entry, content)


def _lift_location(entry: Any, content: dict[str, Any]) -> None:
    location = content.pop("logging.googleapis.com/sourceLocation", None)
    if isinstance(location, dict):
        entry.source_location.file = str(location.get("file", ""))
        entry.source_location.function = str(location.get("function", ""))
        line = str(location.get("line", "0"))
        entry.source_location.line = int(line) if line.isdigit() else 0


def _stamp(value: object) -> Timestamp | None:
    stamp = Timestamp()
    if isinstance(value, str):
        try:
            stamp.FromJsonString(value)
        except ValueError:
            return None
        return stamp
    if isinstance(value, dict) and isinstance(value.get("seconds"), int):
        return Timestamp(seconds=value["seconds"], nanos=int(value.get("nanos", 0)))
    return None


def request_entry(
    spec: RevisionSpec, request: Mapping[str, Any], at: datetime, labels: Mapping[str, str]
) -> Any:
    """An entry of `run.googleapis.com/requests`: stamped with the request's start, written at
    its end. `request` has the fields of HttpRequest, `latency` in seconds, and `trace`, `span`.
    """
    entry = entry_of(spec, "run.googleapis.com/requests", at, labels)
    entry.severity = 200 if request["status"] < 400 else 400 if request["status"] < 500 else 500
    entry.trace = f"projects/{spec.project}/traces/{request['trace']}"
    entry.span_id = request["span"]
    entry.trace_sampled = False
    http = entry.http_request
    http.request_method = request["method"]
    http.request_url = request["url"]
    http.request_size = request["request_size"]
    http.response_size = request["response_size"]
    http.status = request["status"]
    http.user_agent = request["user_agent"]
    http.remote_ip = "127.0.0.1"
    http.server_ip = "127.0.0.1"
    http.protocol = "HTTP/1.1"
    whole = math.floor(request["latency"])
    http.latency.seconds = whole
    http.latency.nanos = round((request["latency"] - whole) * 1e9)
    if request.get("text"):
        entry.text_payload = request["text"]
    return entry


def system_entry(
    spec: RevisionSpec, text: str, at: datetime, labels: Mapping[str, str], *, error: bool = False
) -> Any:
    """A sentence of the platform itself (`run.googleapis.com/varlog/system`)."""
    entry = entry_of(spec, "run.googleapis.com/varlog/system", at.astimezone(UTC), labels)
    entry.severity = 500 if error else 200
    entry.text_payload = text
    return entry

"""The sandbox's log entries as lines to read, through the Logging API itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emonk_ops.sandbox.endpoint import Endpoint

CALL_SECONDS = 10.0
TAIL_SECONDS = 3_600.0


def read_lines(endpoint: Endpoint, project: str, filter_text: str, limit: int) -> list[str]:
    """The newest entries of a project, oldest of them first."""
    request = {
        "resource_names": [f"projects/{project}"],
        "filter": filter_text,
        "order_by": "timestamp desc",
        "page_size": min(limit, 1_000),
    }
    found: list[str] = []
    for entry in _client(endpoint).list_log_entries(request, timeout=CALL_SECONDS, retry=None):
        found.append(_line(entry))
        if len(found) >= limit:
            break
    return found[::-1]


def follow_lines(endpoint: Endpoint, project: str, filter_text: str) -> Iterator[str]:
    """Entries as they are written, until the caller stops."""
    from google.cloud.logging_v2.types import TailLogEntriesRequest

    request = TailLogEntriesRequest(resource_names=[f"projects/{project}"], filter=filter_text)
    stream = _client(endpoint).tail_log_entries(iter([request]), timeout=TAIL_SECONDS, retry=None)
    for response in stream:
        for entry in response.entries:
            yield _line(entry)


def _client(endpoint: Endpoint) -> Any:
    import grpc
    from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

    transport = LoggingServiceV2Client.get_transport_class("grpc")
    return LoggingServiceV2Client(transport=transport(channel=grpc.insecure_channel(endpoint.grpc)))


def _line(entry: Any) -> str:
    from google.protobuf.json_format import MessageToDict

    raw = type(entry).pb(entry)
    body = MessageToDict(raw)
    severity = body.get("severity", "DEFAULT")
    head = f"{body['timestamp']} {severity:<8} {_source(body)}"
    if "httpRequest" in body:
        http = body["httpRequest"]
        return f"{head} {http.get('requestMethod')} {http.get('status')} {http.get('requestUrl')}"
    if "jsonPayload" in body:
        fields = dict(body["jsonPayload"])
        message = fields.pop("message", "")
        return f"{head} {message} {json.dumps(fields, sort_keys=True)}".rstrip()
    return f"{head} {body.get('textPayload', '')}".rstrip()


def _source(body: dict[str, Any]) -> str:
    labels = body.get("resource", {}).get("labels", {})
    for label in ("revision_name", "job_id"):
        if label in labels:
            return str(labels[label])
    return str(body.get("resource", {}).get("type", ""))

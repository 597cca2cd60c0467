"""Cloud Logging of the environment's project (Logging API v2, the generated client only)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from emonk_ops.gcp.calls import reading
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.log_filter import bounded
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment

PAGE_SIZE = 1000
TAIL_SECONDS = 3600.0  # the API ends a tail after an hour


class GcpLogs:
    """See `emonk_ops.ports.Logs`."""

    def __init__(self, env: Environment) -> None:
        from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client

        self._env = env
        self._project = f"projects/{env.project}"
        with translated("logging", env):
            self._client = client(LoggingServiceV2Client, env)

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        """An empty page with a token means the search is not finished, so the token decides."""
        request: dict[str, Any] = {
            "resource_names": [self._project],
            "filter": bounded(query, since, until),
            "order_by": "timestamp desc" if newest_first else "timestamp asc",
            "page_size": min(PAGE_SIZE, limit or PAGE_SIZE),
        }
        given = 0
        while True:
            with translated("logging.entries.list", self._env):
                pager = self._client.list_log_entries(request=request, **reading())
                page = next(iter(pager.pages))
            for message in page.entries:
                yield _entry(message)
                given += 1
                if given == limit:
                    return
            if not page.next_page_token:
                return
            request["page_token"] = page.next_page_token

    def tail(self, query: str) -> Iterator[LogEntry]:
        from google.cloud.logging_v2.types import TailLogEntriesRequest

        first = TailLogEntriesRequest(resource_names=[self._project], filter=query)
        with translated("logging.entries.tail", self._env):
            stream = self._client.tail_log_entries(
                requests=iter([first]), timeout=TAIL_SECONDS, retry=None
            )
            try:
                for answer in stream:
                    yield from (_entry(message) for message in answer.entries)
            finally:
                stream.cancel()


def _entry(message: Any) -> LogEntry:
    from google.logging.type.log_severity_pb2 import LogSeverity

    payload = _payload(message)
    return LogEntry(
        timestamp=_moment(message.timestamp),
        insert_id=message.insert_id,
        log=message.log_name.rsplit("/", 1)[-1].replace("%2F", "/").replace("%2f", "/"),
        severity=LogSeverity.Name(int(message.severity)),
        message=str(payload.get("message", "")),
        payload=payload,
        http=_http(message.http_request),
        labels=dict(message.labels),
        resource={"type": message.resource.type, **dict(message.resource.labels)},
    )


def _payload(message: Any) -> dict[str, Any]:
    from google.protobuf.json_format import MessageToDict

    raw = type(message).pb(message)
    match raw.WhichOneof("payload"):
        case "json_payload":
            found: dict[str, Any] = _whole(MessageToDict(raw.json_payload))
            return found
        case "text_payload":
            return {"message": raw.text_payload}
        case "proto_payload":
            return _proto(raw.proto_payload)
    return {}


def _proto(payload: Any) -> dict[str, Any]:
    """Of an audit log who called what and how it ended; of anything else its type."""
    from google.cloud.audit.audit_log_pb2 import AuditLog  # type: ignore[import-untyped]

    told = {"type": payload.type_url}
    audit = AuditLog()
    if not payload.Unpack(audit):
        return told
    return {
        **told,
        "message": audit.method_name,
        "serviceName": audit.service_name,
        "methodName": audit.method_name,
        "resourceName": audit.resource_name,
        "principalEmail": audit.authentication_info.principal_email,
        "status": audit.status.code,
        "reason": audit.status.message,
    }


def _whole(value: Any) -> Any:
    """Every number of a payload comes as a float; counts are shown as the service wrote them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(one) for key, one in value.items()}
    return [_whole(one) for one in value] if isinstance(value, list) else value


def _http(request: Any) -> dict[str, Any]:
    if not request or not request.request_url:
        return {}
    return {
        "status": request.status,
        "requestUrl": request.request_url,
        "requestMethod": request.request_method,
        "latency_seconds": request.latency.ToTimedelta().total_seconds(),
        "userAgent": request.user_agent,
    }


def _moment(stamp: Any) -> datetime:
    return datetime.fromtimestamp(stamp.timestamp(), UTC)

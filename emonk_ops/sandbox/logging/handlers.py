"""The methods of google.logging.v2.LoggingServiceV2, tailing apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.cloud.logging_v2 import types
from google.protobuf import any_pb2, empty_pb2
from google.rpc import status_pb2

from emonk_ops.sandbox.logging.errors import Refusal, invalid, not_found
from emonk_ops.sandbox.logging.page_tokens import cursor_of, token_of
from emonk_ops.sandbox.logging.quota import ReadQuota
from emonk_ops.sandbox.logging.store import LogStore, project_of
from emonk_ops.sandbox.logging.validation import (
    check_entry,
    check_log_name,
    is_descending,
    projects_of,
)

MAX_PAGE = 1000
DEFAULT_PAGE = 50
_PartialErrors: Any = types.WriteLogEntriesPartialErrors.pb()


class LoggingMethods:
    """Raw requests in, raw answers out; raises Refusal."""

    def __init__(self, logs: LogStore, quota: ReadQuota) -> None:
        self._logs = logs
        self._quota = quota

    async def write_log_entries(self, request: Any) -> Any:
        """Store a batch; with `partial_success` the good entries of a batch with bad ones."""
        if not request.entries:
            raise invalid("Required parameter 'entries' is missing")
        good, bad = _sorted_out(request)
        if bad and not request.partial_success:
            raise next(iter(bad.values()))
        if not request.dry_run:
            self._logs.write(good)
        if bad:
            raise _partial(bad)
        return types.WriteLogEntriesResponse.pb()()

    async def list_log_entries(self, request: Any) -> Any:
        """One page; an empty page with a token means that the search is not finished."""
        projects = projects_of(request.resource_names)
        descending = is_descending(request.order_by)
        if request.page_size < 0:
            raise invalid("page_size must not be negative")
        self._quota.spend(projects)
        parameters = (projects, request.filter, descending)
        page = await self._logs.page(
            projects,
            request.filter,
            descending=descending,
            size=min(request.page_size or DEFAULT_PAGE, MAX_PAGE),
            after=cursor_of(request.page_token, parameters),
        )
        response = types.ListLogEntriesResponse.pb()()
        response.entries.extend(page.entries)
        response.next_page_token = token_of(page.cursor, parameters)
        return response

    async def list_logs(self, request: Any) -> Any:
        """Names of the logs that hold entries, in pages."""
        parents = [*([request.parent] if request.parent else []), *request.resource_names]
        projects = projects_of(parents)
        size = min(request.page_size or DEFAULT_PAGE, MAX_PAGE)
        cursor = cursor_of(request.page_token, ("logs", projects))
        after = cursor[2] if cursor else ""
        names = [name for name in self._logs.log_names(projects) if name > after]
        more = (0, "", names[size - 1]) if len(names) > size else None
        response = types.ListLogsResponse.pb()()
        response.log_names.extend(names[:size])
        response.next_page_token = token_of(more, ("logs", projects))
        return response

    async def delete_log(self, request: Any) -> Any:
        """Drop a log with all its entries."""
        check_log_name(request.log_name)
        if not self._logs.delete_log(request.log_name):
            raise not_found(f"Log '{request.log_name}' does not exist")
        return empty_pb2.Empty()


def _sorted_out(request: Any) -> tuple[list[Any], dict[int, Refusal]]:
    good: list[Any] = []
    bad: dict[int, Refusal] = {}
    for index, entry in enumerate(request.entries):
        _complete(entry, request)
        try:
            check_entry(entry)
        except Refusal as refusal:
            bad[index] = refusal
        else:
            labels = entry.resource.labels
            labels["project_id"] = labels["project_id"] or project_of(entry.log_name)
            good.append(entry)
    return good, bad


def _complete(entry: Any, request: Any) -> None:
    """What an entry leaves out comes from the request; its own labels win."""
    entry.log_name = entry.log_name or request.log_name
    if not entry.HasField("resource"):
        entry.resource.CopyFrom(request.resource)
    for key, value in request.labels.items():
        if key not in entry.labels:
            entry.labels[key] = value


def _partial(bad: dict[int, Refusal]) -> Refusal:
    errors = _PartialErrors()
    for index, refusal in bad.items():
        code = int(refusal.code.value[0])
        errors.log_entry_errors[index].CopyFrom(
            status_pb2.Status(code=code, message=refusal.message)
        )
    first = next(iter(bad.values()))
    detail = any_pb2.Any()
    detail.Pack(errors)
    code = int(first.code.value[0])
    status = status_pb2.Status(code=code, message=first.message, details=[detail])
    return Refusal(first.code, first.message, status.SerializeToString())


def methods_named() -> Sequence[tuple[str, str, Any, Any]]:
    """API name, our name, and raw types of request and answer, of every unary method."""
    return (
        (
            "WriteLogEntries",
            "write_log_entries",
            types.WriteLogEntriesRequest.pb(),
            types.WriteLogEntriesResponse.pb(),
        ),
        (
            "ListLogEntries",
            "list_log_entries",
            types.ListLogEntriesRequest.pb(),
            types.ListLogEntriesResponse.pb(),
        ),
        ("ListLogs", "list_logs", types.ListLogsRequest.pb(), types.ListLogsResponse.pb()),
        ("DeleteLog", "delete_log", types.DeleteLogRequest.pb(), empty_pb2.Empty),
    )

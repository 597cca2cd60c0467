"""`emonk-ops logs ticks|errors|job ID|firestore`."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from emonk_ops.cli import options
from emonk_ops.cli.command import command, group
from emonk_ops.cli.desk import Desk
from emonk_ops.cli.log_lines import entry_data, show_calls
from emonk_ops.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from emonk_ops.ports import LogEntry

logs_app = group("The service's log, through the Logging API.")
LOOK_BACK_HOURS = 24
JobId = Annotated[str, typer.Argument(help="The job's id.", metavar="ID")]
Hours = Annotated[float, typer.Option("--hours", min=0.01, help="How far back.")]


@command(logs_app, "ticks", title="logs ticks")
def ticks(
    desk: Desk,
    follow: options.Follow = False,
    limit: options.Limit = 20,
    hours: Hours = LOOK_BACK_HOURS,
    show_query: options.ShowQuery = False,
) -> ExitCode:
    """The latest ticks with their metrics."""
    from emonk_ops.rollout.situation import TICK_COMPLETED

    return _show(desk, f'jsonPayload.message="{TICK_COMPLETED}"', follow, limit, hours, show_query)


@command(logs_app, "errors", title="logs errors")
def errors(
    desk: Desk,
    follow: options.Follow = False,
    limit: options.Limit = 20,
    hours: Hours = LOOK_BACK_HOURS,
    show_query: options.ShowQuery = False,
) -> ExitCode:
    """Errors of the service."""
    return _show(desk, "severity>=ERROR", follow, limit, hours, show_query)


@command(logs_app, "job", title="logs job")
def job(
    desk: Desk,
    job_id: JobId,
    follow: options.Follow = False,
    limit: options.Limit = 50,
    hours: Hours = LOOK_BACK_HOURS,
    show_query: options.ShowQuery = False,
) -> ExitCode:
    """Everything about one job."""
    if '"' in job_id or "\\" in job_id:
        raise UsageError(f"a job id has no quotes: {job_id!r}", hint="emonk-ops logs ticks")
    return _show(desk, f'jsonPayload.job_id="{job_id}"', follow, limit, hours, show_query)


@command(logs_app, "firestore", title="logs firestore")
def firestore(
    desk: Desk,
    limit: options.Limit = 20,
    hours: Hours = LOOK_BACK_HOURS,
    show_query: options.ShowQuery = False,
) -> ExitCode:
    """What the ticks asked of their storage by their own count, and Firestore's audit log."""
    from emonk_ops.cli.logs_firestore import show

    return show(desk, limit, hours, show_query)


def _show(
    desk: Desk, more: str, follow: bool, limit: int, hours: float, show_query: bool
) -> ExitCode:
    """Oldest first; under --json one object a line for streams, else one envelope."""
    from emonk_ops.operations.api_calls import entries_call, tail_call
    from emonk_ops.rollout.situation import service_log_query

    desk.show_header()
    tools = desk.toolbox()
    query = service_log_query(tools, more)
    since = tools.clock.now() - timedelta(hours=hours)
    calls = [entries_call(desk.env, query, since, limit)] if show_query else []
    if show_query and follow:
        calls.append(tail_call(desk.env, query))
    show_calls(desk, calls)
    newest = list(tools.logs.entries(query, since=since, newest_first=True, limit=limit))
    for entry in reversed(newest):
        _line(desk, entry, follow)
    if not newest:
        desk.screen.line(f"no entries since {since:%Y-%m-%d %H:%M:%S}Z")
    if follow:
        for entry in tools.logs.tail(query):
            _line(desk, entry, follow)
            if desk.out.gone:
                break
        return ExitCode.DONE
    data: dict[str, object] = {"entries": [entry_data(entry) for entry in reversed(newest)]}
    if calls:
        data["calls"] = [call.to_data() for call in calls]
    return desk.answer(data)


def _line(desk: Desk, entry: LogEntry, streaming: bool) -> None:
    if desk.json:
        if streaming:
            desk.out.line(json.dumps(entry_data(entry), ensure_ascii=False, default=str))
        return
    told = " ".join(f"{name}={_plain(value)}" for name, value in _fields(entry))
    stamp = f"{entry.timestamp:%Y-%m-%d %H:%M:%S}Z"
    request = f"{entry.http.get('requestMethod', '')} {entry.http.get('status', '')} ".strip()
    desk.screen.line(f"{stamp} {entry.severity:8} {request}{entry.message} {told}".rstrip())


def _fields(entry: LogEntry) -> list[tuple[str, object]]:
    """The guide's metrics first, then the rest by name; Cloud Logging's own fields left out."""
    from emonk_ops.rollout.situation import METRICS

    mine = {
        name: value
        for name, value in entry.payload.items()
        if name not in ("message", "severity", "time", "timestamp")
        and not name.startswith("logging.googleapis.com/")
    }
    first = [name for name in METRICS if name in mine]
    return [(name, mine[name]) for name in (*first, *sorted(set(mine) - set(first)))]


def _plain(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # Cloud Logging gives numbers back as floats
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

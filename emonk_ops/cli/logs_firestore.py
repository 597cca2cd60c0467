"""`emonk-ops logs firestore`: what the ticks counted of their storage, and the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emonk_ops.cli.desk import Desk
from emonk_ops.cli.log_lines import entry_data, show_calls
from emonk_ops.errors import ExitCode

if TYPE_CHECKING:
    from emonk_ops.operations.firestore_log import Audit


def show(desk: Desk, limit: int, hours: float, show_query: bool) -> ExitCode:
    """The newest `limit` ticks and audit entries, the oldest of them first."""
    from emonk_ops.operations import api_calls, firestore_log

    desk.show_header()
    tools, env = desk.toolbox(), desk.env
    since = tools.clock.now() - timedelta(hours=hours)
    counted, audited = firestore_log.counters_query(env), firestore_log.audit_query(env)
    calls = (
        api_calls.entries_call(env, counted, since, limit),
        api_calls.entries_call(env, audited, since, limit),
        api_calls.policy_call(env),
    )
    if show_query:
        show_calls(desk, calls)
    newest = tools.logs.entries(counted, since=since, newest_first=True, limit=limit)
    ticks = tuple(newest)[::-1]
    for entry in ticks:
        one = firestore_log.counters(entry)
        desk.screen.line(f"{entry.timestamp:%Y-%m-%d %H:%M:%S}Z {_told(one)}")
    total = firestore_log.totals(ticks)
    if ticks:
        desk.screen.line(f"{total['ticks']} ticks, together: {_told(total)}")
    else:
        desk.screen.line(f"no tick since {since:%Y-%m-%d %H:%M:%S}Z tells of its storage")
    found = firestore_log.audit(tools, since, limit)
    _show_audit(desk, found)
    data: dict[str, Any] = {
        "ticks": [
            {"timestamp": one.timestamp.isoformat(), **firestore_log.counters(one)} for one in ticks
        ],
        "total": total,
        "audit": {
            "enabled": None if found.enabled is None else list(found.enabled),
            "sentence": found.sentence(),
            "entries": [entry_data(one) for one in found.entries],
        },
    }
    if show_query:
        data["calls"] = [call.to_data() for call in calls]
    return desk.answer(data, hint=f"emonk-ops cost --env {env.name}")


def _show_audit(desk: Desk, found: Audit) -> None:
    desk.screen.line(found.sentence())
    for entry in found.entries:
        said = entry.payload
        status = said.get("status") or "OK"
        reason = f" {said['reason']}" if said.get("reason") else ""
        desk.screen.line(
            f"{entry.timestamp:%Y-%m-%d %H:%M:%S}Z {entry.severity:8} {said.get('methodName', '')} "
            f"{status}{reason} by {said.get('principalEmail', '?')}"
        )
    if not found.entries:
        desk.screen.line("no audit entry of Firestore in this time")


def _told(one: dict[str, Any]) -> str:
    errors = ", ".join(f"{code} {count}" for code, count in one["errors"].items())
    return (
        f"calls={one['storage_ops']} read={one['storage_reads']} written={one['storage_writes']} "
        f"billed={one['billed_reads']}/{one['billed_writes']} "
        f"slowest={one['max_ms']:.0f} ms errors={errors or 'none'}"
    )

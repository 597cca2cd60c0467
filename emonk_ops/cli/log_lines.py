"""Log entries as plain data, and the calls that find them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emonk_ops.cli.desk import Desk

if TYPE_CHECKING:
    from emonk_ops.operations.api_calls import ApiCall
    from emonk_ops.ports import LogEntry


def show_calls(desk: Desk, calls: Sequence[ApiCall]) -> None:
    """Each as it can be made by hand."""
    for call in calls:
        for line in call.lines():
            desk.screen.line(line)


def entry_data(entry: LogEntry) -> dict[str, object]:
    return {
        "timestamp": entry.timestamp.isoformat(),
        "severity": entry.severity,
        "message": entry.message,
        "log": entry.log,
        "payload": dict(entry.payload),
        "http": dict(entry.http),
        "insert_id": entry.insert_id,
        "revision": entry.resource.get("revision_name", ""),
    }

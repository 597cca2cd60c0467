"""A log entry once more, a little later and with other fields: what a service with a fault would
have written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct

from emonk_ops.sandbox.control_requests import Refusal
from emonk_ops.sandbox.logging.entry_fields import RAW_ENTRY
from emonk_ops.sandbox.logging.store import LogStore

LATER = timedelta(seconds=1)
NEXT = "next"  # one more than the greatest that the same instance wrote
MOST = 100_000
STEP = re.compile(r"([+-]\d+)(s?)")


def plant(logs: LogStore, project: str, query: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Write the newest entry that matches again, with `changes` in its payload; the new payload.

    A change is a value, `+N` or `-N` (added to the number that is there), `+Ns` or `-Ns` (seconds,
    added to the time that is there), or `next`.
    """
    found = logs.query([project], query, descending=True, limit=1)
    if not found:
        raise Refusal(404, f"no entry of {project} matches {query}", "emonk-ops sandbox logs")
    raw = RAW_ENTRY()
    raw.CopyFrom(found[0])
    payload = json_format.MessageToDict(raw.json_payload)
    for name, change in changes.items():
        payload[name] = _changed(logs, project, payload, name, change)
    raw.json_payload.CopyFrom(json_format.ParseDict(payload, Struct()))
    raw.timestamp.FromDatetime(_moment(raw) + LATER)
    raw.insert_id = ""
    logs.write([raw])
    return payload


def _moment(raw: Any) -> datetime:
    moment: datetime = raw.timestamp.ToDatetime()
    return moment


def _changed(
    logs: LogStore, project: str, payload: Mapping[str, Any], name: str, change: Any
) -> Any:
    if change == NEXT:
        query = f'jsonPayload.instance="{payload.get("instance", "")}"'
        entries = logs.query([project], query, limit=MOST)
        numbers = [one.json_payload.fields[name].number_value for one in entries]
        return max(numbers, default=0) + 1
    step = STEP.fullmatch(change) if isinstance(change, str) else None
    if step is None:
        return change
    if step[2]:
        moved = datetime.fromisoformat(str(payload[name])) + timedelta(seconds=int(step[1]))
        return moved.isoformat().replace("+00:00", "Z")
    return float(payload.get(name) or 0) + int(step[1])

"""What is known of the service's calls to Firestore: its own counters, and the audit log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.errors import CloudError
from emonk_ops.operations.tick_window import COMPLETED, NOT_EXECUTED, of_service
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

# Firestore's entries bear the one name; their Data Access logs are switched on under the other:
# https://cloud.google.com/firestore/docs/audit-logging
AUDITED = "firestore.googleapis.com"
SWITCHED_AS = ("datastore.googleapis.com", "allServices")
DATA_ACCESS = ("DATA_READ", "DATA_WRITE")
TICK_FAILED = "Scheduler tick failed"
COUNTED = ("storage_ops", "storage_reads", "storage_writes", "billed_reads", "billed_writes")


@dataclass(frozen=True)
class Audit:
    """`enabled` are the types of Data Access logs that are on; None: it could not be asked."""

    entries: tuple[LogEntry, ...]
    enabled: tuple[str, ...] | None
    why: str = ""

    def sentence(self) -> str:
        if self.enabled is None:
            return f"whether Data Access logs are on could not be asked: {self.why}"
        if not self.enabled:
            return (
                "Data Access logs of Firestore are not enabled, so reads and writes are in no "
                "audit log; they are switched on as datastore.googleapis.com in the project's "
                "policy (auditConfigs), and are billed by volume"
            )
        return f"Data Access logs of Firestore are on: {', '.join(self.enabled)}"


def counters_query(env: Environment) -> str:
    """Tick lines with what each asked of its storage."""
    messages = (COMPLETED, TICK_FAILED, NOT_EXECUTED)
    named = " OR ".join(f'jsonPayload.message="{one}"' for one in messages)
    return f"{of_service(env)} AND jsonPayload.storage_ops>=0 AND ({named})"


def audit_query(_env: Environment) -> str:
    """Of the whole project: audit entries name no service of Cloud Run."""
    return f'protoPayload.serviceName="{AUDITED}"'


def counters(entry: LogEntry) -> dict[str, Any]:
    """The storage counters of one tick: documents, calls, milliseconds, errors by code."""
    said = entry.payload
    found = {name: int(said.get(name) or 0) for name in COUNTED}
    latency: Mapping[str, Any] = said.get("storage_latency_ms") or {}
    return {
        **found,
        "p50_ms": float(latency.get("p50") or 0.0),
        "max_ms": float(latency.get("max") or 0.0),
        "errors": _errors(said),
    }


def totals(entries: Iterable[LogEntry]) -> dict[str, Any]:
    """Over all ticks: the sums, the slowest call and errors by code."""
    sums: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    ticks, slowest = 0, 0.0
    for entry in entries:
        one = counters(entry)
        ticks += 1
        sums.update({name: one[name] for name in COUNTED})
        errors.update(one["errors"])
        slowest = max(slowest, one["max_ms"])
    return {
        "ticks": ticks,
        **{name: sums[name] for name in COUNTED},
        "max_ms": slowest,
        "errors": dict(errors),
    }


def audit(tools: Toolbox, since: datetime, limit: int) -> Audit:
    """The newest entries, oldest first, and whether there could be any of reads and writes."""
    newest = tools.logs.entries(audit_query(tools.env), since=since, newest_first=True, limit=limit)
    entries, why = tuple(newest)[::-1], ""
    enabled: tuple[str, ...] | None
    try:
        enabled = _enabled(tools)
    except CloudError as error:
        enabled, why = None, error.message
    return Audit(entries, enabled, why)


def _enabled(tools: Toolbox) -> tuple[str, ...]:
    audited = tools.access.policy().audited
    return tuple(
        kind for kind in DATA_ACCESS if any(f"{one}/{kind}" in audited for one in SWITCHED_AS)
    )


def _errors(said: Mapping[str, Any]) -> dict[str, int]:
    told: Mapping[str, Mapping[str, Any]] = said.get("storage_errors") or {}
    return {code: int(one.get("count", 0)) for code, one in told.items()}

"""A stretch of expected ticks, and what three witnesses saw of them.

The cadence says which ticks must exist. The witnesses are the request log that the platform writes,
the service's own tick lines, and its warnings and errors. Cloud Scheduler's execution log stamps
its entries when they arrive, so it orders nothing and is not one of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.errors import NotOffered
from emonk_ops.operations.analysis.reading import REQUESTS, SCHEDULER_AGENT
from emonk_ops.operations.cadence import interval, next_slots
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

RUNNING = "Running scheduler tick"
COMPLETED = "Scheduler tick completed"
NOT_EXECUTED = "Scheduler tick not executed"  # this revision or path is not the driver
LATEST_START = timedelta(seconds=30)  # dispatch comes some seconds after the slot, and logs lag
# A stranger's request that is refused is logged as a warning by the platform; it is nobody's fault.
# A stranger who was turned away is no complaint; Cloud Scheduler's own 401s are counted apart.
COMPLAINTS = (
    '(severity>=ERROR OR (severity>=WARNING AND NOT log_id("run.googleapis.com/requests")))'
    ' AND NOT jsonPayload.message="Tick refused" AND NOT jsonPayload.message="Webhook refused"'
)
WINDOW_FILE = "tick-window.json"


@dataclass(frozen=True)
class TickWindow:
    """`slots` are the expected instants; each may be served until `patience` after it."""

    slots: tuple[datetime, ...]
    patience: timedelta
    requests: tuple[LogEntry, ...]  # POST /cron/tick by Cloud Scheduler
    ticks: tuple[LogEntry, ...]  # the service's tick lines
    complaints: tuple[LogEntry, ...]  # severity WARNING or worse, by the service

    def request_of(self, slot: datetime) -> LogEntry | None:
        until = slot + self.patience
        return next((one for one in self.requests if slot <= one.timestamp < until), None)

    def total(self, metric: str) -> int:
        return sum(int(tick.payload.get(metric, 0) or 0) for tick in self.ticks)

    @property
    def revisions(self) -> frozenset[str]:
        return frozenset(tick.resource.get("revision_name", "") for tick in self.ticks)


def begin(tools: Toolbox) -> datetime:
    """From now on ticks are counted. Kept on disk, so that the next call goes on counting.

    Counting starts anew when another revision serves or drives anew, or the cadence is another.
    """
    env = tools.env
    about = {
        "revision": serving_revision(tools).name,
        "epoch": epoch_of(tools),
        "cadence": env.cadence,
        "time_zone": env.time_zone,
        "intervals": env.acceptance_intervals,
    }
    kept = dict(_kept(tools))
    start = kept.pop("from", None)
    if start is not None and kept == about:
        return datetime.fromisoformat(start)
    now = tools.clock.now()
    tools.keep.mkdir(parents=True, exist_ok=True)
    beside = tools.keep / f"{WINDOW_FILE}.new"
    beside.write_text(json.dumps({"from": now.isoformat(), **about}))
    beside.replace(tools.keep / WINDOW_FILE)
    return now


def epoch_of(tools: Toolbox) -> int | None:
    """Of the present drive; None where the service does not say. A revision may drive twice."""
    try:
        return tools.service.driver().epoch
    except NotOffered:
        return None


def observe(tools: Toolbox) -> TickWindow | Finding:
    """The window once its last slot has had its time; else WAITING, or wait for it."""
    known = tools.memo.get("tick_window")
    if isinstance(known, TickWindow):
        return known
    env = tools.env
    start = begin(tools)
    slots = next_slots(env.cadence, env.time_zone, start, env.acceptance_intervals)
    patience = min(LATEST_START, interval(env.cadence, env.time_zone, start) / 2)
    complete = slots[-1] + patience
    now = tools.clock.now()
    if now < complete:
        if not tools.waits:
            return _waiting(slots, now, complete)
        tools.say(f"waiting for {len(slots)} ticks, until {complete:%H:%M:%S}Z")
        tools.clock.sleep_until(complete)
    window = _read(tools, slots, patience, start)
    tools.memo["tick_window"] = window
    # It is judged now; a later run of the stage counts ticks of its own.
    (tools.keep / WINDOW_FILE).unlink(missing_ok=True)
    return window


def _waiting(slots: tuple[datetime, ...], now: datetime, complete: datetime) -> Finding:
    passed = sum(slot <= now for slot in slots)
    return Finding(
        Verdict.WAITING,
        f"{passed} of {len(slots)} intervals have passed; complete at {complete:%H:%M:%S}Z",
        {"slots": [slot.isoformat() for slot in slots]},
        wait_until=complete,
    )


def _read(
    tools: Toolbox, slots: tuple[datetime, ...], patience: timedelta, start: datetime
) -> TickWindow:
    since, until = slots[0], slots[-1] + patience

    def entries(query: str, first: datetime) -> tuple[LogEntry, ...]:
        return tuple(
            tools.logs.entries(f"{of_service(tools.env)} AND {query}", since=first, until=until)
        )

    path = tools.env.service.tick_path
    return TickWindow(
        slots=slots,
        patience=patience,
        requests=entries(
            f'log_id("{REQUESTS}") AND httpRequest.requestUrl:"{path}" '
            f'AND httpRequest.userAgent:"{SCHEDULER_AGENT}"',
            since,
        ),
        ticks=entries(f'jsonPayload.message="{COMPLETED}"', since),
        complaints=entries(COMPLAINTS, start),
    )


def of_service(env: Environment) -> str:
    return (
        f'resource.type="cloud_run_revision" AND resource.labels.service_name="{env.service.name}"'
    )


def _kept(tools: Toolbox) -> Mapping[str, Any]:
    try:
        found = json.loads((tools.keep / WINDOW_FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")

"""The alert policies: the guide's five, the heartbeat and the lag, as documents.

A period in which nothing ticks has no point, so the periods are as long as the cadence's gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from emonk_ops.errors import UsageError
from emonk_ops.operations.alerts.naming import labels, metric_type
from emonk_ops.operations.cadence import next_slots
from emonk_ops.settings import Environment

FIVE_MINUTES = 300
MOST_FAILED = 0.05  # the guide: alert below 95 % success
MOST_STORAGE_FAILED = 0.01
MOST_TICK_MS = 5000.0
STALLED = 0.99  # every one of them
AUTO_CLOSE = "1800s"  # the shortest that the API takes
LONGEST_ABSENCE_SECONDS = 23 * 3600 + 1800  # monitoring/alerts: of a metric-absence condition
LOOKED_AT_SLOTS = 400
FROM = datetime(2026, 1, 1, tzinfo=UTC)  # a fixed day, so that the same cadence means the same


@dataclass(frozen=True)
class Timing:
    """Seconds by which the conditions of an environment go."""

    gap: int  # the longest time between two ticks

    @property
    def period(self) -> int:
        return max(60, -(-self.gap // 60) * 60)

    @property
    def window(self) -> int:
        return max(FIVE_MINUTES, self.period)

    @property
    def silence(self) -> int:
        """Two ticks in a row are missing, and a minute more."""
        return max(FIVE_MINUTES, 2 * self.period + 60)

    @property
    def lag(self) -> int:
        """A slot waits for the next tick at most; five minutes more are too late."""
        return self.period + FIVE_MINUTES


def timing(env: Environment) -> Timing:
    """Raises UsageError for a cadence whose gaps are longer than an alert can watch."""
    slots = next_slots(env.cadence, env.time_zone, FROM, LOOKED_AT_SLOTS)
    found = Timing(max(int((after - at).total_seconds()) for at, after in pairwise(slots)))
    if found.silence > LONGEST_ABSENCE_SECONDS:
        raise UsageError(
            f"the cadence {env.cadence!r} of {env.name} has gaps of {found.gap / 3600:.1f} h, and "
            "Cloud Monitoring watches for silence over 23.5 h at most",
            hint=f"A cadence with a tick every 11 h at least: [env.{env.name}] cadence",
        )
    return found


def policies(env: Environment, channels: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Documents by short name; `channels` are full names."""
    time = timing(env)
    made = (
        _tick_failures(env, time),
        _not_executing(env, time),
        _duplicates(env),
        _latency(env, time),
        _storage(env, time),
        _heartbeat(env, time),
        _lag(env, time),
    )
    for one in made:
        one["notificationChannels"] = list(channels)
    return {str(one["userLabels"]["emonk-name"]): one for one in made}


def _tick_failures(env: Environment, time: Timing) -> dict[str, Any]:
    jobs = _ratio(env, time, "jobs_failed", "executions", MOST_FAILED, "High error rate of jobs")
    ticks = _ratio(env, time, "ticks_failed", "ticks", MOST_FAILED, "High error rate of ticks")
    said = "Less than 95 % of the executions or of the ticks succeeded for 5 minutes (aim: 99 %)."
    return _policy(env, "tick-failures", "Scheduler Tick Failures", said, "ERROR", jobs, ticks)


def _not_executing(env: Environment, time: Timing) -> dict[str, Any]:
    condition = _ratio(env, time, "stalled_ticks", "due_ticks", STALLED, "Due, and none executed")
    said = "For 5 minutes jobs were due and no tick executed any. Nothing due is no reason."
    return _policy(env, "not-executing", "Scheduler Jobs Not Executing", said, "ERROR", condition)


def _duplicates(env: Environment) -> dict[str, Any]:
    condition = _threshold(env, "duplicates", 60, 0, 0.0, "More than none")
    said = (
        "An execution ended after its lease had gone, so its slot may have run twice. Look for "
        "handlers longer than their lease and for instances that stood still."
    )
    return _policy(env, "duplicates", "Scheduler Duplicate Execution", said, "CRITICAL", condition)


def _latency(env: Environment, time: Timing) -> dict[str, Any]:
    condition = _threshold(
        env, "tick_duration", time.window, 0, MOST_TICK_MS, "p99 above 5 s", "REDUCE_PERCENTILE_99"
    )
    said = "The 99th percentile of a tick's duration is above 5 s (aim: below 2 s)."
    return _policy(env, "tick-latency", "Scheduler Tick Latency", said, "WARNING", condition)


def _storage(env: Environment, time: Timing) -> dict[str, Any]:
    condition = _ratio(
        env, time, "storage_failed_ticks", "ticks", MOST_STORAGE_FAILED, "Ticks with lasting errors"
    )
    said = (
        "For 5 minutes more than 1 % of the ticks met a storage error that no repetition mends "
        "(aim: below 0.1 %). UNAVAILABLE, ABORTED and the like are left out."
    )
    return _policy(env, "storage-errors", "Firestore Error Rate", said, "ERROR", condition)


def _heartbeat(env: Environment, time: Timing) -> dict[str, Any]:
    absent = {
        "filter": _filter(env, "ticks"),
        "aggregations": [_aggregation(60, "REDUCE_SUM")],
        "duration": f"{time.silence}s",
        "trigger": {"count": 1},
    }
    condition = {"displayName": f"No tick for {time.silence} s", "conditionAbsent": absent}
    said = f"No tick ended for {time.silence} s: emonk-ops status --env {env.name}"
    return _policy(env, "heartbeat", "Scheduler Heartbeat", said, "CRITICAL", condition)


def _lag(env: Environment, time: Timing) -> dict[str, Any]:
    condition = _threshold(
        env,
        "lag",
        time.window,
        0,
        float(time.lag),
        f"Later than {time.lag} s",
        "REDUCE_PERCENTILE_99",
    )
    said = f"A slot began more than {time.lag} s late."
    return _policy(env, "lag", "Scheduler Lag", said, "ERROR", condition)


def _policy(
    env: Environment, name: str, title: str, said: str, severity: str, *conditions: dict[str, Any]
) -> dict[str, Any]:
    return {
        "displayName": title,
        "documentation": {"content": said, "mimeType": "text/markdown"},
        "userLabels": labels(env, name),
        "conditions": list(conditions),
        "combiner": "OR",
        "enabled": True,
        "alertStrategy": {"autoClose": AUTO_CLOSE},
        "severity": severity,
    }


def _ratio(
    env: Environment, time: Timing, above: str, below: str, most: float, title: str
) -> dict[str, Any]:
    """`above` per `below` for five minutes."""
    condition = _threshold(env, above, time.period, FIVE_MINUTES, most, title)
    condition["conditionThreshold"]["denominatorFilter"] = _filter(env, below)
    condition["conditionThreshold"]["denominatorAggregations"] = [
        _aggregation(time.period, "REDUCE_SUM")
    ]
    return condition


def _threshold(
    env: Environment,
    metric: str,
    period: int,
    duration: int,
    most: float,
    title: str,
    reducer: str = "REDUCE_SUM",
) -> dict[str, Any]:
    threshold = {
        "filter": _filter(env, metric),
        "aggregations": [_aggregation(period, reducer)],
        "comparison": "COMPARISON_GT",
        "thresholdValue": most,
        "duration": f"{duration}s",
        "trigger": {"count": 1},
        "evaluationMissingData": "EVALUATION_MISSING_DATA_UNSPECIFIED",
    }
    return {"displayName": title, "conditionThreshold": threshold}


def _filter(env: Environment, metric: str) -> str:
    kind = f'metric.type = "{metric_type(env, metric)}"'
    return f'{kind} AND resource.type = "cloud_run_revision"'


def _aggregation(period: int, reducer: str) -> dict[str, Any]:
    return {
        "alignmentPeriod": f"{period}s",
        "perSeriesAligner": "ALIGN_DELTA",
        "crossSeriesReducer": reducer,
    }

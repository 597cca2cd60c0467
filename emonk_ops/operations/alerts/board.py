"""The dashboard: the guide's five panels, and lag, leases and cost, as one document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emonk_ops.operations.alerts.naming import labels, metric_type
from emonk_ops.settings import Environment

COLUMNS = 12
WIDTH, HEIGHT = 6, 4
RUN, SCHEDULER = "cloud_run_revision", "cloud_scheduler_job"
Lines = Sequence[tuple[str, dict[str, Any]]]


def board(env: Environment) -> dict[str, Any]:
    widgets = panels(env)
    return {
        "displayName": f"Scheduled jobs of {env.service.name} ({env.name})",
        "labels": labels(env, "board"),
        "mosaicLayout": {
            "columns": COLUMNS,
            "tiles": [
                _tile(number, {"id": name, **widget})
                for number, (name, widget) in enumerate(widgets.items())
            ],
        },
    }


def panels(env: Environment) -> dict[str, dict[str, Any]]:
    """Widgets by their id."""
    return {**_guide_panels(env), **_further_panels(env)}


def _guide_panels(env: Environment) -> dict[str, dict[str, Any]]:
    path = env.service.tick_path
    return {
        "scheduler-executions": _chart(
            "Cloud Scheduler executions, by severity",
            [_count(env, "scheduler_attempts", "severity", SCHEDULER)],
        ),
        "tick-requests": _chart(
            f"Requests for {path}, by status", [_count(env, "tick_requests", "status")]
        ),
        "tick-latency": _chart(
            "Tick latency in ms: mean, p99, and mean without handlers",
            [
                _measured(env, "tick_duration", "REDUCE_MEAN"),
                _measured(env, "tick_duration", "REDUCE_PERCENTILE_99"),
                _measured(env, "tick_overhead", "REDUCE_MEAN"),
            ],
        ),
        "jobs": _chart(
            "Jobs: executed, succeeded, failed, dead",
            [_count(env, one) for one in ("executions", "jobs_succeeded", "jobs_failed", "dead")],
        ),
        "errors-by-type": _chart(
            "Errors: of jobs by type, of ticks, of storage (lasting, transient)",
            [
                _count(env, "jobs_failed", "error_type"),
                _count(env, "ticks_failed"),
                _count(env, "storage_failed_ticks"),
                _count(env, "storage_transient_ticks"),
            ],
        ),
    }


def _further_panels(env: Environment) -> dict[str, dict[str, Any]]:
    return {
        "lag": _chart(
            "Lag in s: p99 and mean of the worst slot of a tick",
            [
                _measured(env, "lag", "REDUCE_PERCENTILE_99"),
                _measured(env, "lag", "REDUCE_MEAN"),
            ],
        ),
        "leases": _chart(
            "Leases: lost, rescued, and results that came too late",
            [_count(env, one) for one in ("leases_lost", "rescued", "duplicates")],
        ),
        "cost": _chart(
            "Cost: Firestore reads and writes billed per tick, jobs read and written",
            [
                _measured(env, one, "REDUCE_MEAN")
                for one in ("billed_reads", "billed_writes", "storage_reads", "storage_writes")
            ],
        ),
        "cost-of-a-month": {
            "title": "What it costs in a month",
            "text": {
                "content": "The billed reads and writes of a tick times the ticks of a month, with "
                f"prices and free quota: `emonk-ops cost --env {env.name}`",
                "format": "MARKDOWN",
            },
        },
    }


def _tile(number: int, widget: dict[str, Any]) -> dict[str, Any]:
    return {
        "xPos": number % 2 * WIDTH,
        "yPos": number // 2 * HEIGHT,
        "width": WIDTH,
        "height": HEIGHT,
        "widget": widget,
    }


def _chart(title: str, lines: Lines) -> dict[str, Any]:
    return {
        "title": title,
        "xyChart": {
            "dataSets": [
                {
                    "timeSeriesQuery": {"timeSeriesFilter": query},
                    "plotType": "LINE",
                    "legendTemplate": legend,
                    "minAlignmentPeriod": "60s",
                }
                for legend, query in lines
            ]
        },
    }


def _count(
    env: Environment, metric: str, label: str = "", resource: str = RUN
) -> tuple[str, dict[str, Any]]:
    aggregation: dict[str, Any] = {
        "alignmentPeriod": "60s",
        "perSeriesAligner": "ALIGN_DELTA",
        "crossSeriesReducer": "REDUCE_SUM",
    }
    if label:
        aggregation["groupByFields"] = [f"metric.label.{label}"]
    legend = f"{metric} ${{metric.labels.{label}}}" if label else metric
    return legend, {"filter": _filter(env, metric, resource), "aggregation": aggregation}


def _measured(env: Environment, metric: str, reducer: str) -> tuple[str, dict[str, Any]]:
    aggregation = {
        "alignmentPeriod": "60s",
        "perSeriesAligner": "ALIGN_DELTA",
        "crossSeriesReducer": reducer,
    }
    word = reducer.removeprefix("REDUCE_").lower().replace("percentile_", "p")
    return f"{metric} {word}", {"filter": _filter(env, metric, RUN), "aggregation": aggregation}


def _filter(env: Environment, metric: str, resource: str) -> str:
    return f'metric.type = "{metric_type(env, metric)}" AND resource.type = "{resource}"'

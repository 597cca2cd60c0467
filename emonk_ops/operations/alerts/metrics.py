"""The log-based metrics: what the service's lines say, counted and measured.

A counter counts lines and cannot add a number up (logging/docs/logs-based-metrics), so what is
counted has a line of its own: a job's end, a tick of a certain sort.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emonk_ops.operations.alerts.naming import mark, metric_prefix
from emonk_ops.operations.tick_window import COMPLETED, of_service
from emonk_ops.settings import Environment

FAILED = "Scheduler tick failed"
TICKS = f'jsonPayload.message=("{COMPLETED}" OR "{FAILED}")'
STALE_COMPLETION = "Stale completion dropped"
# What no repetition mends; the rest is transient and counted apart.
LASTING_CODES = (
    "ALREADY_EXISTS",
    "CANCELLED",
    "DATA_LOSS",
    "FAILED_PRECONDITION",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "UNAUTHENTICATED",
    "UNIMPLEMENTED",
)
TRANSIENT_CODES = (
    "ABORTED",
    "DEADLINE_EXCEEDED",
    "INTERNAL",
    "RESOURCE_EXHAUSTED",
    "UNAVAILABLE",
    "UNKNOWN",
)
# A percentile is read from buckets: the thresholds are bounds, so that it is exact there.
_SHORT = (10, 20, 50, 100, 200, 500, 1000, 1500, 2000, 3000, 4000, 5000, 7500, 10_000)
MILLISECONDS = (*_SHORT, 20_000, 30_000, 60_000, 120_000, 300_000)
SECONDS = (1, 5, 10, 20, 30, 60, 90, 120, 180, 240, 300)
NUMBERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


def metrics(env: Environment, lag_threshold_seconds: int) -> dict[str, dict[str, Any]]:
    """Documents by short name."""
    ticks = f"{of_service(env)} AND {TICKS}"
    lags = tuple(sorted({*SECONDS, lag_threshold_seconds, 600, 1800, 3600, 86_400}))
    return {
        **_job_counters(env),
        **_tick_counters(env),
        **_platform_counters(env),
        **{
            name: _distribution(env, name, ticks, field, unit, bounds, told)
            for name, field, unit, bounds, told in (
                ("tick_duration", "duration_ms", "ms", MILLISECONDS, "Time a tick took."),
                ("tick_overhead", "overhead_ms", "ms", MILLISECONDS, "Time without a handler."),
                ("lag", "lag_seconds", "s", lags, "Worst lateness of a slot in a tick."),
                ("storage_ops", "storage_ops", "1", NUMBERS, "Storage calls of a tick."),
                ("storage_reads", "storage_reads", "1", NUMBERS, "Jobs a tick read."),
                ("storage_writes", "storage_writes", "1", NUMBERS, "Jobs a tick wrote."),
                ("billed_reads", "billed_reads", "1", NUMBERS, "Reads Firestore bills for."),
                ("billed_writes", "billed_writes", "1", NUMBERS, "Writes Firestore bills for."),
            )
        },
    }


def _job_counters(env: Environment) -> dict[str, dict[str, Any]]:
    service = of_service(env)
    lines = {
        "executions": ('jsonPayload.message=~"^Executing job "', "Executions of jobs that began."),
        "jobs_succeeded": ('jsonPayload.message="Job succeeded"', "Executions that succeeded."),
        "duplicates": (
            f'jsonPayload.message="{STALE_COMPLETION}"',
            "Executions that ended after their lease had gone: the slot may have run twice.",
        ),
        "leases_lost": ('jsonPayload.message="Lease lost"', "Leases that ended under a handler."),
        "rescued": ('jsonPayload.message="Job rescued"', "Jobs taken from an expired lease."),
        "dead": ('jsonPayload.message="Job dead"', "Slots given up after their last attempt."),
    }
    found = {
        name: _counter(env, name, f"{service} AND {line}", told)
        for name, (line, told) in lines.items()
    }
    found["jobs_failed"] = _counter(
        env,
        "jobs_failed",
        f'{service} AND jsonPayload.message="Job failed"',
        "Executions that failed, by the type of the error.",
        {"error_type": "EXTRACT(jsonPayload.error_type)"},
    )
    return found


def _tick_counters(env: Environment) -> dict[str, dict[str, Any]]:
    service, ticks = of_service(env), f"{of_service(env)} AND {TICKS}"
    due = f'{service} AND jsonPayload.message="{COMPLETED}" AND jsonPayload.jobs_due>0'
    # What another instance took, or a misfire policy skipped, was in good hands.
    stalled = "jsonPayload.jobs_executed=0 AND jsonPayload.lost_race=0 AND jsonPayload.skipped=0"
    failed = f'{service} AND jsonPayload.message="{FAILED}"'
    path = {"path": "EXTRACT(jsonPayload.path)"}
    return {
        "ticks": _counter(env, "ticks", ticks, "Ticks that ended, either way.", path),
        "ticks_failed": _counter(env, "ticks_failed", failed, "Ticks that failed.", path),
        "due_ticks": _counter(env, "due_ticks", due, "Ticks with jobs to execute."),
        "stalled_ticks": _counter(
            env,
            "stalled_ticks",
            f"{due} AND {stalled}",
            "Ticks with jobs to execute that executed none.",
        ),
        "storage_failed_ticks": _counter(
            env,
            "storage_failed_ticks",
            f"{ticks} AND ({_met(LASTING_CODES)})",
            "Ticks that met a storage error which no repetition mends.",
        ),
        "storage_transient_ticks": _counter(
            env,
            "storage_transient_ticks",
            f"{ticks} AND ({_met(TRANSIENT_CODES)})",
            "Ticks that met a transient storage error.",
        ),
    }


def _platform_counters(env: Environment) -> dict[str, dict[str, Any]]:
    attempts = (
        'resource.type="cloud_scheduler_job"'
        f' AND resource.labels.job_id="{env.service.job}"'
        ' AND jsonPayload."@type":"AttemptFinished"'
    )
    requests = (
        f'{of_service(env)} AND log_id("run.googleapis.com/requests")'
        f' AND httpRequest.requestUrl:"{env.service.tick_path}"'
    )
    severity = {"severity": "EXTRACT(severity)"}
    status = {"status": "EXTRACT(httpRequest.status)"}
    return {
        "scheduler_attempts": _counter(
            env, "scheduler_attempts", attempts, "Attempts of the Cloud Scheduler job.", severity
        ),
        "tick_requests": _counter(
            env, "tick_requests", requests, f"Requests for {env.service.tick_path}.", status
        ),
    }


def _met(codes: Sequence[str]) -> str:
    return " OR ".join(f"jsonPayload.storage_errors.{code}.count>0" for code in codes)


def _counter(
    env: Environment, name: str, query: str, told: str, labels: Mapping[str, str] | None = None
) -> dict[str, Any]:
    descriptor: dict[str, Any] = {"metricKind": "DELTA", "valueType": "INT64", "unit": "1"}
    document = {
        "name": f"{metric_prefix(env)}{name}",
        "description": f"{told} {mark(env)}",
        "filter": query,
        "metricDescriptor": descriptor,
    }
    if labels:
        descriptor["labels"] = [{"key": key} for key in labels]
        document["labelExtractors"] = dict(labels)
    return document


def _distribution(
    env: Environment,
    name: str,
    query: str,
    field: str,
    unit: str,
    bounds: Sequence[int],
    told: str,
) -> dict[str, Any]:
    return {
        "name": f"{metric_prefix(env)}{name}",
        "description": f"{told} {mark(env)}",
        "filter": query,
        "metricDescriptor": {"metricKind": "DELTA", "valueType": "DISTRIBUTION", "unit": unit},
        "valueExtractor": f"EXTRACT(jsonPayload.{field})",
        "bucketOptions": {"explicitBuckets": {"bounds": [float(bound) for bound in bounds]}},
    }

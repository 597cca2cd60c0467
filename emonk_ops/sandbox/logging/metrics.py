"""Log-based metrics: google.logging.v2.MetricsServiceV2, and where they are kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import grpc
from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2

from emonk_ops.sandbox.logging.errors import Refusal, invalid, not_found
from emonk_ops.sandbox.logging.extraction import extraction_of
from emonk_ops.sandbox.logging.filter_match import compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.sandbox.store import Store

KIND = "logging.metric"
MAX_PAGE = 1000
_NAME = re.compile(r"projects/([^/]+)/metrics/([A-Za-z0-9_.,+!*'()%/\-]{1,100})")
_Metric = types.LogMetric.pb()

SERVICE = "google.logging.v2.MetricsServiceV2"
METHODS = (
    ("CreateLogMetric", "create_log_metric", types.CreateLogMetricRequest.pb()),
    ("GetLogMetric", "get_log_metric", types.GetLogMetricRequest.pb()),
    ("ListLogMetrics", "list_log_metrics", types.ListLogMetricsRequest.pb()),
    ("UpdateLogMetric", "update_log_metric", types.UpdateLogMetricRequest.pb()),
    ("DeleteLogMetric", "delete_log_metric", types.DeleteLogMetricRequest.pb()),
)


class LogMetrics:
    """Each method takes a raw request and answers a raw message, or raises Refusal."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    def find(self, project: str, metric_id: str) -> Any | None:
        """The LogMetric, None where there is none."""
        kept = self._store.get(KIND, f"projects/{project}/metrics/{metric_id}")
        return None if kept is None else _Metric.FromString(kept)

    async def create_log_metric(self, request: Any) -> Any:
        name = f"{request.parent}/metrics/{request.metric.name}"
        _parsed(name)
        if self._store.get(KIND, name) is not None:
            raise Refusal(
                grpc.StatusCode.ALREADY_EXISTS, f"Metric {request.metric.name} already exists."
            )
        return self._keep(name, request.metric, None)

    async def get_log_metric(self, request: Any) -> Any:
        return self._found(request.metric_name)

    async def list_log_metrics(self, request: Any) -> Any:
        kept = [_Metric.FromString(raw) for _, raw in self._store.list(KIND, f"{request.parent}/")]
        begin, size = int(request.page_token or 0), min(request.page_size or MAX_PAGE, MAX_PAGE)
        more = str(begin + size) if len(kept) > begin + size else ""
        return types.ListLogMetricsResponse.pb()(
            metrics=kept[begin : begin + size], next_page_token=more
        )

    async def update_log_metric(self, request: Any) -> Any:
        """Creates it where there is none, as the platform does."""
        _, metric_id = _parsed(request.metric_name)
        if request.metric.name not in ("", metric_id, request.metric_name):
            raise invalid("The name of the metric must be the one in metric_name.")
        kept = self._store.get(KIND, request.metric_name)
        before = None if kept is None else _Metric.FromString(kept)
        return self._keep(request.metric_name, request.metric, before)

    async def delete_log_metric(self, request: Any) -> Any:
        self._found(request.metric_name)
        self._store.delete(KIND, request.metric_name)
        return empty_pb2.Empty()

    def _found(self, name: str) -> Any:
        project, metric_id = _parsed(name)
        metric = self.find(project, metric_id)
        if metric is None:
            raise not_found(f"Metric {metric_id} does not exist.")
        return metric

    def _keep(self, name: str, wanted: Any, before: Any | None) -> Any:
        metric = _Metric()
        metric.CopyFrom(wanted)
        metric.name = _parsed(name)[1]
        _check(metric)
        metric.metric_descriptor.type = f"logging.googleapis.com/user/{metric.name}"
        if not metric.metric_descriptor.metric_kind:
            metric.metric_descriptor.metric_kind = 2  # DELTA
        if not metric.metric_descriptor.value_type:
            metric.metric_descriptor.value_type = 5 if metric.value_extractor else 2
        metric.update_time.FromDatetime(self._now())
        metric.create_time.CopyFrom(metric.update_time if before is None else before.create_time)
        self._store.put(KIND, name, metric.SerializeToString())
        return metric


def _check(metric: Any) -> None:
    if not metric.filter:
        raise invalid("The filter of a log-based metric must not be empty.")
    compile_filter(parse_filter(metric.filter))
    if metric.value_extractor:
        extraction_of(metric.value_extractor)
    declared = {label.key for label in metric.metric_descriptor.labels}
    if missing := sorted(set(metric.label_extractors) ^ declared):
        raise invalid(
            f"Labels {', '.join(missing)}: metric_descriptor.labels and label_extractors must have"
            " the same keys."
        )
    for text in metric.label_extractors.values():
        extraction_of(text)


def _parsed(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid metric name '{name}': projects/[PROJECT_ID]/metrics/[METRIC_ID].")
    return match[1], match[2]

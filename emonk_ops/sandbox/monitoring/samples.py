"""Series from what the sandbox saw: requests of Cloud Run, and log-based metrics.

A sample is one event: 1 for a counter, the measured value for a distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from emonk_ops.sandbox.clock_map import to_nanoseconds
from emonk_ops.sandbox.logging.entry_fields import nanoseconds
from emonk_ops.sandbox.logging.extraction import Extraction, extraction_of
from emonk_ops.sandbox.logging.metrics import LogMetrics
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.monitoring.filters import Selection
from emonk_ops.sandbox.monitoring.recent import RecentEntries

REQUEST_COUNT = "run.googleapis.com/request_count"
REQUEST_LATENCIES = "run.googleapis.com/request_latencies"
USER_METRIC = "logging.googleapis.com/user/"
LOG_ENTRIES = "logging.googleapis.com/log_entry_count"
REQUESTS = 'log_id("run.googleapis.com/requests")'
MOST_ENTRIES = 2_000_000
Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Key:
    """What tells one series of a metric from another."""

    metric_labels: Labels
    resource_type: str
    resource_labels: Labels

    def fields(self) -> dict[str, str]:
        """For filters and groups: `metric.labels.x`, `resource.type`, `resource.labels.x`."""
        found = {f"metric.labels.{name}": value for name, value in self.metric_labels}
        found |= {f"resource.labels.{name}": value for name, value in self.resource_labels}
        found["resource.type"] = self.resource_type
        return found


@dataclass
class Samples:
    """Events of each series in time order: (nanoseconds since 1970, value)."""

    distribution: bool
    unit: str
    series: dict[Key, list[tuple[int, float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Reading:
    """How the entries of one metric are found, and what each of them says."""

    query: str
    labels: Callable[[Any], Mapping[str, str]]
    value: Callable[[Any], float | None]
    distribution: bool
    unit: str
    since: int = 0


class Measurements:
    """Reads samples of a metric from the log store."""

    def __init__(self, logs: LogStore, metrics: LogMetrics) -> None:
        self._logs = logs
        self._metrics = metrics
        self._recent = RecentEntries(logs)
        self._readings: dict[bytes, _Reading] = {}

    def of(self, project: str, selection: Selection, begin: datetime, end: datetime) -> Samples:
        """The samples in (begin, end] of the selected series; none of an unknown metric."""
        reading = self._reading(project, selection.metric_type)
        if reading is None:
            return Samples(False, "1")
        samples = Samples(reading.distribution, reading.unit)
        for entry in self._entries(project, reading.query, begin, end):
            at = nanoseconds(entry.timestamp)
            value = reading.value(entry)
            if value is None or at < reading.since:
                continue
            key = _key(entry, reading.labels(entry))
            if key in samples.series:
                samples.series[key].append((at, value))
            elif selection.matches(key.fields()):
                samples.series[key] = [(at, value)]
        return samples

    def _entries(self, project: str, query: str, begin: datetime, end: datetime) -> Iterator[Any]:
        begun, ended = to_nanoseconds(begin), to_nanoseconds(end)
        recent = self._recent.between(project, query, begun, ended)
        if recent is not None:
            yield from recent
            return
        bounds = f'timestamp > "{begin.isoformat()}" AND timestamp <= "{end.isoformat()}"'
        whole = f"({query}) AND {bounds}" if query else bounds
        yield from self._logs.query([project], whole, limit=MOST_ENTRIES)

    def _reading(self, project: str, metric_type: str) -> _Reading | None:
        if metric_type == REQUEST_COUNT:
            return _Reading(REQUESTS, _response_labels, lambda _entry: 1.0, False, "1")
        if metric_type == REQUEST_LATENCIES:
            return _Reading(REQUESTS, _response_labels, _latency, True, "ms")
        if metric_type == LOG_ENTRIES:
            return _Reading("", _severity, lambda _entry: 1.0, False, "1")
        if not metric_type.startswith(USER_METRIC):
            return None
        metric = self._metrics.find(project, metric_type.removeprefix(USER_METRIC))
        return None if metric is None or metric.disabled else self._of_user(metric)

    def _of_user(self, metric: Any) -> _Reading:
        key = metric.SerializeToString(deterministic=True)
        if key not in self._readings:
            self._readings[key] = _user(metric)
        return self._readings[key]


def _user(metric: Any) -> _Reading:
    labels = {name: extraction_of(text) for name, text in metric.label_extractors.items()}
    extraction = extraction_of(metric.value_extractor) if metric.value_extractor else None

    def value(entry: Any) -> float | None:
        return 1.0 if extraction is None else _number(extraction, entry)

    return _Reading(
        metric.filter,
        lambda entry: {name: one(entry) or "" for name, one in labels.items()},
        value,
        extraction is not None,
        metric.metric_descriptor.unit or "1",
        # A log-based metric counts what came after it was made (logging/docs/logs-based-metrics).
        metric.create_time.ToNanoseconds(),
    )


def _number(extraction: Extraction, entry: Any) -> float | None:
    try:
        return float(extraction(entry) or "")
    except ValueError:
        return None


def _key(entry: Any, labels: Mapping[str, str]) -> Key:
    resource = entry.resource
    kept = {name: value for name, value in resource.labels.items() if name != "instance_id"}
    return Key(tuple(sorted(labels.items())), resource.type, tuple(sorted(kept.items())))


def _response_labels(entry: Any) -> dict[str, str]:
    status = entry.http_request.status
    return {"response_code": str(status), "response_code_class": f"{status // 100}xx"}


def _latency(entry: Any) -> float:
    return float(entry.http_request.latency.ToNanoseconds() / 1e6)


def _severity(entry: Any) -> dict[str, str]:
    return {"log": entry.log_name.rpartition("/")[2], "severity": str(entry.severity)}

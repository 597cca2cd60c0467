"""projects.timeSeries.list: filter, interval and aggregation in, TimeSeries messages out."""

from __future__ import annotations

import statistics
from datetime import UTC, datetime
from typing import Any

from google.cloud.monitoring_v3 import types

from emonk_ops.sandbox.monitoring.aggregation import Aligned, Point, aggregate
from emonk_ops.sandbox.monitoring.errors import invalid, unimplemented
from emonk_ops.sandbox.monitoring.filters import parse
from emonk_ops.sandbox.monitoring.samples import Key, Measurements

MAX_PAGE = 100_000
HEADERS = int(types.ListTimeSeriesRequest.TimeSeriesView.HEADERS)
_Series = types.TimeSeries.pb()


class TimeSeriesMethods:
    """google.monitoring.v3.MetricService, as far as series are read."""

    def __init__(self, measurements: Measurements) -> None:
        self._measurements = measurements

    async def list_time_series(self, request: Any) -> Any:
        if request.HasField("secondary_aggregation"):
            raise unimplemented("secondary_aggregation")
        begin, end = _interval(request.interval)
        selection = parse(request.filter)
        project = project_of(request.name)
        samples = self._measurements.of(project, selection, _moment(begin), _moment(end))
        aligned = aggregate(samples, request.aggregation, begin, end)
        found = [
            _message(project, selection.metric_type, key, points, aligned, samples.unit)
            for key, points in sorted(aligned.series.items(), key=lambda one: str(one[0]))
        ]
        if request.view == HEADERS:
            for one in found:
                one.ClearField("points")
        start = int(request.page_token or 0)
        size = min(request.page_size or MAX_PAGE, MAX_PAGE)
        more = str(start + size) if len(found) > start + size else ""
        return types.ListTimeSeriesResponse.pb()(
            time_series=found[start : start + size], next_page_token=more, unit=samples.unit
        )


def project_of(name: str) -> str:
    """The id in `projects/P`; raises Refusal for another name."""
    kind, _, project = name.partition("/")
    if kind != "projects" or not project or "/" in project:
        raise invalid(f"Name must begin with 'projects/{{project}}', got: {name}")
    return project


def _interval(interval: Any) -> tuple[int, int]:
    if not interval.HasField("end_time"):
        raise invalid("Field interval.endTime had an invalid value: it must be set.")
    end = int(interval.end_time.ToNanoseconds())
    begin = int(interval.start_time.ToNanoseconds()) if interval.HasField("start_time") else end
    if begin > end:
        raise invalid("Field interval.endTime must not be before interval.startTime.")
    return begin, end


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC)


def _message(
    project: str, metric_type: str, key: Key, points: list[Point], aligned: Aligned, unit: str
) -> Any:
    message = _Series()
    message.metric.type = metric_type
    message.metric.labels.update(dict(key.metric_labels))
    message.resource.type = key.resource_type
    message.resource.labels.update({"project_id": project, **dict(key.resource_labels)})
    message.unit = unit
    gauge = aligned.rate or not (aligned.whole or aligned.distribution)
    message.metric_kind = 1 if gauge else 2
    message.value_type = 5 if aligned.distribution else (2 if aligned.whole else 3)
    for point in points:
        made = message.points.add()
        made.interval.end_time.FromNanoseconds(point.at)
        made.interval.start_time.FromNanoseconds(point.at if gauge else point.at - aligned.period)
        if aligned.distribution:
            _fill(made.value.distribution_value, point.values)
        elif aligned.whole:
            made.value.int64_value = int(point.value)
        else:
            made.value.double_value = float(point.value)
    return message


def _fill(distribution: Any, values: tuple[float, ...]) -> None:
    """Exponential buckets as log-based metrics have by default: 64 of them, each twice as wide."""
    distribution.count = len(values)
    distribution.mean = statistics.fmean(values)
    distribution.sum_of_squared_deviation = sum((v - distribution.mean) ** 2 for v in values)
    buckets = distribution.bucket_options.exponential_buckets
    buckets.num_finite_buckets, buckets.growth_factor, buckets.scale = 64, 2.0, 0.01
    counts = [0] * 66
    for value in values:
        bound, index = 0.01, 0
        while value >= bound and index < 65:
            bound, index = bound * 2, index + 1
        counts[index] += 1
    while counts and not counts[-1]:
        counts.pop()
    distribution.bucket_counts.extend(counts)

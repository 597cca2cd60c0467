"""Aligning samples to periods, and reducing series to fewer (monitoring/api/v3/aggregation).

Periods end at the end of the interval and go back from there. A period without a sample gives no
point, as a series that was not written has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.cloud.monitoring_v3.types import Aggregation

from emonk_ops.sandbox.monitoring.errors import invalid, unimplemented
from emonk_ops.sandbox.monitoring.filters import label_path
from emonk_ops.sandbox.monitoring.samples import Key, Samples

SHORTEST_PERIOD_SECONDS = 60.0
NANO = 1_000_000_000
Aligner = Aggregation.Aligner
Reducer = Aggregation.Reducer
Number = Callable[[Sequence[float]], float]


@dataclass(frozen=True)
class Point:
    """The end of a period (ns since 1970), and its number; a distribution keeps its values."""

    at: int
    value: float
    values: tuple[float, ...] = ()


@dataclass
class Aligned:
    """Series after alignment: newest point first, as the API lists them."""

    distribution: bool
    whole: bool  # whether the values are whole numbers
    period: int
    rate: bool = False
    series: dict[Key, list[Point]] = field(default_factory=dict)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


_PERCENTILES = {"99": 0.99, "95": 0.95, "50": 0.5, "05": 0.05}
_NUMBERS: dict[str, Number] = {
    "MEAN": _mean,
    "MIN": min,
    "MAX": max,
    "SUM": sum,
    "COUNT": len,
    **{
        f"PERCENTILE_{name}": lambda values, share=share: percentile(values, share)  # type: ignore[misc]
        for name, share in _PERCENTILES.items()
    },
}


def aggregate(samples: Samples, aggregation: Any, begin: int, end: int) -> Aligned:
    """Points of the periods in (begin, end], by the aggregation's aligner and reducer."""
    period = int(aggregation.alignment_period.ToNanoseconds()) or int(60 * NANO)
    aligner = Aligner(aggregation.per_series_aligner).name.removeprefix("ALIGN_")
    if period < SHORTEST_PERIOD_SECONDS * NANO:
        raise invalid("Field aggregation.alignmentPeriod must be at least 60 s.")
    aligned = _aligned(samples, aligner, period, begin, end)
    reducer = Reducer(aggregation.cross_series_reducer)
    if reducer == Reducer.REDUCE_NONE:
        return aligned
    return _reduced(aligned, reducer.name.removeprefix("REDUCE_"), aggregation.group_by_fields)


def _aligned(samples: Samples, aligner: str, period: int, begin: int, end: int) -> Aligned:
    keeps = samples.distribution and aligner in ("NONE", "DELTA")
    whole = not samples.distribution and aligner in ("NONE", "DELTA", "SUM", "COUNT")
    number = _number_of(aligner, samples.distribution, period)
    aligned = Aligned(keeps, whole, period, rate=aligner == "RATE")
    for key, events in samples.series.items():
        periods: dict[int, list[float]] = {}
        for at, value in events:
            if begin < at <= end:
                periods.setdefault(end - (end - at) // period * period, []).append(value)
        points = [
            Point(at, number(values), tuple(values) if keeps else ())
            for at, values in sorted(periods.items(), reverse=True)
        ]
        if points:
            aligned.series[key] = points
    return aligned


def _number_of(aligner: str, distribution: bool, period: int) -> Number:
    if aligner == "RATE":
        return lambda values: len(values) * NANO / period
    if aligner in ("NONE", "DELTA"):
        return len
    if aligner not in _NUMBERS:
        raise unimplemented(f"ALIGN_{aligner}")
    if not distribution and aligner.startswith("PERCENTILE"):
        raise invalid(f"The aligner ALIGN_{aligner} needs a metric of distributions.")
    if not distribution:
        return len if aligner in ("SUM", "COUNT") else _NUMBERS[aligner]
    return _NUMBERS[aligner]


def _reduced(aligned: Aligned, reducer: str, group_by: Sequence[str]) -> Aligned:
    if reducer not in _NUMBERS:
        raise unimplemented(f"REDUCE_{reducer}")
    groups: dict[Key, dict[int, list[Point]]] = {}
    for key, points in aligned.series.items():
        group = groups.setdefault(_grouped(key, group_by), {})
        for point in points:
            group.setdefault(point.at, []).append(point)
    spread = aligned.distribution and (reducer.startswith("PERCENTILE") or reducer == "MEAN")
    whole = (aligned.whole and reducer in ("SUM", "MIN", "MAX")) or reducer == "COUNT"
    keeps = aligned.distribution and reducer == "SUM"
    reduced = Aligned(keeps, whole, aligned.period, aligned.rate)
    for key, periods in groups.items():
        reduced.series[key] = [
            _one(reducer, at, points, spread, keeps)
            for at, points in sorted(periods.items(), reverse=True)
        ]
    return reduced


def _one(reducer: str, at: int, points: list[Point], spread: bool, keeps: bool) -> Point:
    if keeps:
        values = tuple(value for point in points for value in point.values)
        return Point(at, len(values), values)
    if spread:
        return Point(at, _NUMBERS[reducer]([value for one in points for value in one.values]))
    return Point(at, _NUMBERS[reducer]([point.value for point in points]))


def _grouped(key: Key, group_by: Sequence[str]) -> Key:
    wanted = {label_path(name) for name in group_by}
    kept = {name: value for name, value in key.fields().items() if name in wanted}
    return Key(
        _labels(kept, "metric.labels."), key.resource_type, _labels(kept, "resource.labels.")
    )


def _labels(fields: dict[str, str], prefix: str) -> tuple[tuple[str, str], ...]:
    found = {n.removeprefix(prefix): v for n, v in fields.items() if n.startswith(prefix)}
    return tuple(sorted(found.items()))

"""When a condition of an alert policy is met, from the samples up to now."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from google.cloud.monitoring_v3.types import Aggregation, AlertPolicy, ComparisonType

from emonk_ops.sandbox.clock_map import to_nanoseconds
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.monitoring.aggregation import Aligned, aggregate
from emonk_ops.sandbox.monitoring.errors import invalid, unimplemented
from emonk_ops.sandbox.monitoring.filters import parse
from emonk_ops.sandbox.monitoring.samples import Measurements

LOOK_BACK = timedelta(hours=24)  # an absent series must have been there within it
_COMPARE: dict[int, Callable[[float, float], bool]] = {
    ComparisonType.COMPARISON_GT: operator.gt,
    ComparisonType.COMPARISON_LT: operator.lt,
}
_MISSING = AlertPolicy.Condition.EvaluationMissingData
_Aggregation: Any = Aggregation.pb()


@dataclass(frozen=True)
class Answer:
    """`met` None: there is nothing to decide by, and an incident stays as it is."""

    met: bool | None
    told: str


class Conditions:
    """Evaluates a raw AlertPolicy.Condition of a project at one moment."""

    def __init__(self, measurements: Measurements, logs: LogStore) -> None:
        self._measurements = measurements
        self._logs = logs

    def check(self, condition: Any) -> None:
        """Raise Refusal for a condition that could never be evaluated."""
        kind = condition.WhichOneof("condition")
        if kind == "condition_threshold":
            threshold = condition.condition_threshold
            if threshold.comparison not in _COMPARE:
                raise invalid("condition_threshold.comparison must be COMPARISON_GT or _LT.")
            parse(threshold.filter)
            if threshold.denominator_filter:
                parse(threshold.denominator_filter)
        elif kind == "condition_absent":
            parse(condition.condition_absent.filter)
            if condition.condition_absent.duration.seconds < 120:
                raise invalid("condition_absent.duration must be at least 120 s.")
        elif kind != "condition_matched_log":
            raise unimplemented(kind or "a condition without its kind")

    def evaluate(self, project: str, condition: Any, now: datetime, last: datetime) -> Answer:
        """`last` is when it was evaluated before: a matched log is new since then."""
        match condition.WhichOneof("condition"):
            case "condition_threshold":
                return self._threshold(project, condition.condition_threshold, now)
            case "condition_absent":
                return self._absent(project, condition.condition_absent, now)
        bounds = f'timestamp > "{last.isoformat()}" AND timestamp <= "{now.isoformat()}"'
        query = f"({condition.condition_matched_log.filter}) AND {bounds}"
        found = self._logs.query([project], query, limit=1)
        return Answer(bool(found) or None, f"{len(found)} log entries match")

    def _threshold(self, project: str, threshold: Any, now: datetime) -> Answer:
        duration = timedelta(seconds=threshold.duration.seconds)
        values = self._aligned(project, threshold.filter, threshold.aggregations, now, duration)
        if threshold.denominator_filter:
            below = self._aligned(
                project,
                threshold.denominator_filter,
                threshold.denominator_aggregations,
                now,
                duration,
            )
            values = _ratio(values, below)
        compare = _COMPARE[threshold.comparison]
        periods = max(1, int(duration.total_seconds() * 1e9) // values.period)
        newest = to_nanoseconds(now)
        wanted = {newest - index * values.period for index in range(periods)}
        answers = [
            _series_met(
                {point.at: compare(point.value, threshold.threshold_value) for point in points},
                wanted,
                threshold.evaluation_missing_data,
            )
            for points in values.series.values()
        ]
        told = "; ".join(
            f"{dict(key.metric_labels) or 'all'}: {points[0].value:g}"
            for key, points in values.series.items()
        )
        if any(answers):
            return Answer(True, told)
        return Answer(False if any(one is False for one in answers) else None, told or "no data")

    def _absent(self, project: str, absent: Any, now: datetime) -> Answer:
        begin = now - timedelta(seconds=absent.duration.seconds)
        selection = parse(absent.filter)
        if self._measurements.of(project, selection, begin, now).series:
            return Answer(False, "data arrive")
        before = self._measurements.of(project, selection, now - LOOK_BACK, begin).series
        return Answer(bool(before), f"no data for {absent.duration.seconds} s")

    def _aligned(
        self, project: str, text: str, aggregations: Any, now: datetime, duration: timedelta
    ) -> Aligned:
        if len(aggregations) > 1:
            raise unimplemented("a second aggregation of a condition")
        aggregation = aggregations[0] if aggregations else _Aggregation()
        period = max(60, aggregation.alignment_period.seconds)
        begin = now - max(duration, timedelta(seconds=period))
        samples = self._measurements.of(project, parse(text), begin, now)
        return aggregate(samples, aggregation, to_nanoseconds(begin), to_nanoseconds(now))


def _ratio(above: Aligned, below: Aligned) -> Aligned:
    """Where the denominator has a point, the numerator counts as zero if it has none."""
    ratio = Aligned(False, False, above.period)
    for key, points in below.series.items():
        numerators = {point.at: point.value for point in above.series.get(key, ())}
        ratio.series[key] = [
            type(point)(point.at, numerators.get(point.at, 0.0) / point.value)
            for point in points
            if point.value
        ]
    ratio.series = {key: points for key, points in ratio.series.items() if points}
    return ratio


def _series_met(broken: dict[int, bool], wanted: set[int], missing: int) -> bool | None:
    """Met when what is known of the duration breaks the threshold, and at least half is known.

    Ticks that come a few seconds late leave a period empty and fill the next one twice.
    """
    answers: list[bool | None] = [broken.get(at) for at in sorted(wanted)]
    if missing == _MISSING.EVALUATION_MISSING_DATA_ACTIVE:
        answers = [one is not False for one in answers]
    elif missing == _MISSING.EVALUATION_MISSING_DATA_INACTIVE:
        answers = [bool(one) for one in answers]
    known = [one for one in answers if one is not None]
    if not all(known):
        return False
    return True if known and 2 * len(known) >= len(answers) else None

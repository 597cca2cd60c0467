"""Filters and aggregation of Cloud Monitoring, on samples made by hand."""

from __future__ import annotations

from typing import Any

import pytest
from google.cloud.monitoring_v3.types import Aggregation

from emonk_ops.sandbox.monitoring.aggregation import NANO, aggregate, percentile
from emonk_ops.sandbox.monitoring.errors import Refusal
from emonk_ops.sandbox.monitoring.filters import parse
from emonk_ops.sandbox.monitoring.samples import Key, Samples

METRIC = 'metric.type = "run.googleapis.com/request_count"'
OK = Key((("code", "200"),), "cloud_run_revision", (("service_name", "a"),))
BAD = Key((("code", "500"),), "cloud_run_revision", (("service_name", "a"),))


def samples(distribution: bool = False) -> Samples:
    """Two series over three minutes: (90, 10), (150, 30) and (170, 20) seconds."""
    found = Samples(distribution, "1")
    found.series[OK] = [(90 * NANO, 10.0), (150 * NANO, 30.0)]
    found.series[BAD] = [(170 * NANO, 20.0)]
    return found


def by(aligner: str, reducer: str = "NONE", *group: str, period: int = 60) -> Any:
    return Aggregation.pb(
        Aggregation(
            alignment_period={"seconds": period},
            per_series_aligner=f"ALIGN_{aligner}",
            cross_series_reducer=f"REDUCE_{reducer}",
            group_by_fields=group,
        )
    )


def points(found: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        dict(key.metric_labels).get("code", ""): [(one.at // NANO, one.value) for one in series]
        for key, series in found.series.items()
    }


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        (METRIC, True),
        (f'{METRIC} AND resource.type = "cloud_run_revision"', True),
        (f'{METRIC} AND resource.type = "other"', False),
        (f'{METRIC} metric.labels.code = "200"', True),
        (f'{METRIC} AND metric.label.code != "200"', False),
        (f'{METRIC} AND NOT metric.label.code = "500"', True),
        (f'{METRIC} AND (metric.label.code = "500" OR resource.label.service_name = "a")', True),
        (f'{METRIC} AND metric.label.code = starts_with("2")', True),
        (f'{METRIC} AND metric.label.code = one_of("201", "204")', False),
        (f'{METRIC} AND metric.label.code = monitoring.regex.full_match("2..")', True),
        (f'{METRIC} AND resource.label.service_name = has_substring("b")', False),
    ],
)
def test_a_filter_chooses_series(text: str, fits: bool) -> None:
    selection = parse(text)
    assert selection.metric_type == "run.googleapis.com/request_count"
    assert selection.matches(OK.fields()) is fits


@pytest.mark.parametrize(
    "text", ["", 'resource.type = "x"', 'metric.type != "x"', f"{METRIC} AND", f"{METRIC} )", "?"]
)
def test_a_filter_that_chooses_no_metric_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        parse(text)


def test_counters_align_to_periods_that_end_with_the_interval() -> None:
    found = aggregate(samples(), by("DELTA"), 60 * NANO, 180 * NANO)
    assert points(found) == {"200": [(180, 1), (120, 1)], "500": [(180, 1)]}
    rate = aggregate(samples(), by("RATE", period=120), 60 * NANO, 180 * NANO)
    assert points(rate) == {"200": [(180, 2 / 120)], "500": [(180, 1 / 120)]}


def test_what_lies_outside_of_the_interval_counts_nowhere() -> None:
    found = aggregate(samples(), by("DELTA"), 90 * NANO, 150 * NANO)
    assert points(found) == {"200": [(150, 1)]}


def test_series_are_reduced_by_groups() -> None:
    whole = aggregate(samples(), by("DELTA", "SUM"), 60 * NANO, 180 * NANO)
    assert points(whole) == {"": [(180, 2), (120, 1)]}
    grouped = aggregate(samples(), by("DELTA", "SUM", "metric.label.code"), 60 * NANO, 180 * NANO)
    assert points(grouped) == {"200": [(180, 1), (120, 1)], "500": [(180, 1)]}


def test_distributions_give_percentiles_over_all_values_of_a_group() -> None:
    found = aggregate(
        samples(True), by("DELTA", "PERCENTILE_99", period=120), 60 * NANO, 180 * NANO
    )
    assert points(found) == {"": [(180, 30.0)]}
    mean = aggregate(samples(True), by("MEAN", period=120), 60 * NANO, 180 * NANO)
    assert points(mean) == {"200": [(180, 20.0)], "500": [(180, 20.0)]}


@pytest.mark.parametrize(
    ("aligner", "period"), [("DELTA", 30), ("PERCENTILE_99", 60), ("STDDEV", 60)]
)
def test_an_aggregation_that_cannot_be_is_refused(aligner: str, period: int) -> None:
    with pytest.raises(Refusal):
        aggregate(samples(), by(aligner, period=period), 0, 180 * NANO)


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([5.0], 0.99, 5.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        (list(map(float, range(100))), 0.99, 98.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(
    values: list[float], share: float, found: float
) -> None:
    assert percentile(values, share) == found

"""Cloud Monitoring in the sandbox, seen through Google's clients."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.services.metrics_service_v2 import MetricsServiceV2Client
from google.cloud.monitoring_dashboard_v1 import DashboardsServiceClient
from google.cloud.monitoring_v3 import (
    AlertPolicyServiceClient,
    MetricServiceClient,
    NotificationChannelServiceClient,
)

PROJECT = "projects/my-project"


def now(cloud: Any) -> datetime:
    return datetime.fromisoformat(cloud.control("GET", "clock")["now"])


def advance(cloud: Any, seconds: float) -> None:
    cloud.control("POST", "clock/advance", {"seconds": seconds}, seconds=60)


def metric(cloud: Any, name: str = "ticks", **given: Any) -> Any:
    client = cloud.client(MetricsServiceV2Client)
    wanted = {"name": name, "filter": 'jsonPayload.message = "tick"', **given}
    return client.create_log_metric(parent=PROJECT, metric=wanted, timeout=5)


def tick(cloud: Any, **payload: Any) -> None:
    entry = {
        "log_name": f"{PROJECT}/logs/app",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "web"}},
        "json_payload": {"message": "tick", **payload},
    }
    cloud.client(LoggingServiceV2Client).write_log_entries(entries=[entry], timeout=5)


def series(cloud: Any, metric_type: str, seconds: int = 600, **aggregation: Any) -> Any:
    end = now(cloud)
    request = {
        "name": PROJECT,
        "filter": f'metric.type = "{metric_type}"',
        "interval": {
            "end_time": end,
            "start_time": end.fromtimestamp(end.timestamp() - seconds, end.tzinfo),
        },
        "aggregation": {"alignment_period": {"seconds": seconds}, **aggregation},
    }
    return list(cloud.client(MetricServiceClient).list_time_series(request, timeout=10))


def incidents(cloud: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = cloud.control("GET", "incidents")["incidents"]
    return found


def alerts(cloud: Any, **query: str) -> dict[str, Any]:
    """projects.alerts.list, over REST as the platform has it."""
    url = f"{cloud.endpoint.http}/v3/{PROJECT}/alerts"
    found: dict[str, Any] = httpx.get(url, params=query, timeout=5, trust_env=False).json()
    return found


def test_requests_of_a_service_are_counted_and_timed(cloud: Any) -> None:
    uri = cloud.create(cloud.service()).uri
    for path in ("", "", "/missing"):
        httpx.get(f"{uri}{path}", timeout=10, trust_env=False)
    advance(cloud, 1)
    counted = series(cloud, "run.googleapis.com/request_count", per_series_aligner="ALIGN_DELTA")
    by_class = {
        one.metric.labels["response_code_class"]: one.points[0].value.int64_value for one in counted
    }
    assert by_class == {"2xx": 2, "4xx": 1}
    assert counted[0].resource.labels["service_name"] == "web"
    (p99,) = series(
        cloud,
        "run.googleapis.com/request_latencies",
        per_series_aligner="ALIGN_DELTA",
        cross_series_reducer="REDUCE_PERCENTILE_99",
    )
    assert 0 < p99.points[0].value.double_value < 5_000


def test_a_log_based_metric_counts_and_measures_from_when_it_was_made(cloud: Any) -> None:
    tick(cloud, jobs_failed=1)
    advance(cloud, 1)
    metric(cloud)
    metric(
        cloud,
        "lag",
        value_extractor="EXTRACT(jsonPayload.lag_seconds)",
        label_extractors={"path": "EXTRACT(jsonPayload.path)"},
        metric_descriptor={"labels": [{"key": "path"}]},
    )
    for lag in (1, 2, 9):
        tick(cloud, lag_seconds=lag, path="cron")
    advance(cloud, 1)
    (count,) = series(cloud, "logging.googleapis.com/user/ticks", per_series_aligner="ALIGN_DELTA")
    assert count.points[0].value.int64_value == 3
    (lag,) = series(
        cloud, "logging.googleapis.com/user/lag", per_series_aligner="ALIGN_PERCENTILE_99"
    )
    assert lag.points[0].value.double_value == 9
    assert lag.metric.labels["path"] == "cron"
    (whole,) = series(cloud, "logging.googleapis.com/user/lag", per_series_aligner="ALIGN_DELTA")
    assert whole.points[0].value.distribution_value.count == 3
    assert whole.points[0].value.distribution_value.mean == 4
    assert series(cloud, "logging.googleapis.com/user/none") == []


def test_log_metrics_are_kept_listed_changed_and_deleted(cloud: Any) -> None:
    client = cloud.client(MetricsServiceV2Client)
    made = metric(cloud)
    assert made.metric_descriptor.type == "logging.googleapis.com/user/ticks"
    with pytest.raises(exceptions.AlreadyExists):
        metric(cloud)
    name = f"{PROJECT}/metrics/ticks"
    changed = client.update_log_metric(
        metric_name=name, metric={"name": name, "filter": "severity >= ERROR"}, timeout=5
    )
    assert changed.name == "ticks"  # Google's high-level client puts the whole path there
    assert changed.create_time == made.create_time
    assert [one.filter for one in client.list_log_metrics(parent=PROJECT, timeout=5)] == [
        "severity >= ERROR"
    ]
    client.delete_log_metric(metric_name=name, timeout=5)
    with pytest.raises(exceptions.NotFound):
        client.get_log_metric(metric_name=name, timeout=5)
    for bad in ({"filter": ""}, {"filter": "severity >="}, {"value_extractor": "EXTRACT()"}):
        with pytest.raises(exceptions.InvalidArgument):
            metric(cloud, "bad", **bad)


def threshold(display_name: str, metric_type: str, above: float, seconds: int) -> dict[str, Any]:
    return {
        "display_name": display_name,
        "combiner": "OR",
        "conditions": [
            {
                "display_name": "too many",
                "condition_threshold": {
                    "filter": f'metric.type = "{metric_type}"',
                    "aggregations": [
                        {
                            "alignment_period": {"seconds": 60},
                            "per_series_aligner": "ALIGN_DELTA",
                        }
                    ],
                    "comparison": "COMPARISON_GT",
                    "threshold_value": above,
                    "duration": {"seconds": seconds},
                },
            }
        ],
    }


def test_an_incident_opens_by_its_reason_and_closes_without_it(cloud: Any) -> None:
    metric(cloud, "failures")
    policies = cloud.client(AlertPolicyServiceClient)
    wanted = threshold("Failures", "logging.googleapis.com/user/failures", 1, 60)
    made = policies.create_alert_policy(name=PROJECT, alert_policy=wanted, timeout=5)
    assert made.enabled
    tick(cloud)
    advance(cloud, 65)
    assert incidents(cloud) == []
    for _ in range(3):
        tick(cloud)
    advance(cloud, 61)
    (opened,) = incidents(cloud)
    assert opened["state"] == "OPEN"
    assert opened["display_name"] == "Failures"
    assert ": 3" in opened["summary"]
    (alert,) = alerts(cloud)["alerts"]
    assert (alert["state"], alert["policy"]["name"]) == ("OPEN", made.name)
    assert "closeTime" not in alert
    tick(cloud)
    advance(cloud, 61)
    (closed,) = incidents(cloud)
    assert closed["state"] == "CLOSED"
    policies.delete_alert_policy(name=made.name, timeout=5)
    answer = alerts(cloud, pageSize="1")
    (alert,) = answer["alerts"]
    assert (alert["state"], answer["totalSize"]) == ("CLOSED", 1)
    assert alert["openTime"] < alert["closeTime"]
    assert alert["closeTime"].endswith("Z")
    assert alerts(cloud, filter='state="OPEN"')["error"]["status"] == "UNIMPLEMENTED"


def test_silence_is_a_reason_too(cloud: Any) -> None:
    metric(cloud, "heartbeat")
    wanted = threshold("Heartbeat", "logging.googleapis.com/user/heartbeat", 0, 0)
    wanted["conditions"] = [
        {
            "display_name": "no ticks",
            "condition_absent": {
                "filter": 'metric.type = "logging.googleapis.com/user/heartbeat"',
                "duration": {"seconds": 300},
            },
        }
    ]
    cloud.client(AlertPolicyServiceClient).create_alert_policy(
        name=PROJECT, alert_policy=wanted, timeout=5
    )
    tick(cloud)
    advance(cloud, 290)
    assert incidents(cloud) == []
    advance(cloud, 120)
    (opened,) = incidents(cloud)
    assert opened["state"] == "OPEN"
    tick(cloud)
    advance(cloud, 61)
    assert [one["state"] for one in incidents(cloud)] == ["CLOSED"]


def test_a_policy_that_could_never_be_evaluated_is_refused(cloud: Any) -> None:
    policies = cloud.client(AlertPolicyServiceClient)
    good = threshold("x", "logging.googleapis.com/user/x", 1, 60)
    bad = [
        {**good, "display_name": ""},
        {**good, "conditions": []},
        {**good, "combiner": 0},
        {**good, "notification_channels": [f"{PROJECT}/notificationChannels/1"]},
    ]
    for wanted in bad:
        with pytest.raises((exceptions.InvalidArgument, exceptions.NotFound)):
            policies.create_alert_policy(name=PROJECT, alert_policy=wanted, timeout=5)
    assert list(policies.list_alert_policies(name=PROJECT, timeout=5)) == []


def test_channels_and_dashboards_are_kept_and_removed(cloud: Any) -> None:
    channels = cloud.client(NotificationChannelServiceClient)
    channel = channels.create_notification_channel(
        name=PROJECT,
        notification_channel={"type_": "email", "labels": {"email_address": "a@example.com"}},
        timeout=5,
    )
    policies = cloud.client(AlertPolicyServiceClient)
    wanted = threshold("x", "logging.googleapis.com/user/x", 1, 60)
    wanted["notification_channels"] = [channel.name]
    policies.create_alert_policy(name=PROJECT, alert_policy=wanted, timeout=5)
    with pytest.raises(exceptions.FailedPrecondition, match="is used by"):
        channels.delete_notification_channel(name=channel.name, timeout=5)
    channels.delete_notification_channel(name=channel.name, force=True, timeout=5)
    assert list(channels.list_notification_channels(name=PROJECT, timeout=5)) == []

    boards = cloud.client(DashboardsServiceClient)
    board = {"display_name": "Ticks", "grid_layout": {"widgets": [{"title": "a"}]}}
    made = boards.create_dashboard({"parent": PROJECT, "dashboard": board}, timeout=5)
    made.display_name = "Ticks and lag"
    changed = boards.update_dashboard({"dashboard": made}, timeout=5)
    assert changed.etag != made.etag
    with pytest.raises(exceptions.Aborted, match="not the current one"):
        boards.update_dashboard({"dashboard": made}, timeout=5)
    listed = boards.list_dashboards({"parent": PROJECT}, timeout=5)
    assert [one.display_name for one in listed] == ["Ticks and lag"]
    boards.delete_dashboard({"name": made.name}, timeout=5)
    with pytest.raises(exceptions.NotFound):
        boards.get_dashboard({"name": made.name}, timeout=5)

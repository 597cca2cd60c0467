"""HTTP rules of APIs whose Google client speaks gRPC only, from their REST reference.

service -> (method, verb, path template, body)
"""

from __future__ import annotations

Written = tuple[str, str, str, str]

WRITTEN: dict[str, tuple[Written, ...]] = {
    "google.logging.v2.LoggingServiceV2": (
        ("DeleteLog", "DELETE", "/v2/{log_name=projects/*/logs/*}", ""),
        ("WriteLogEntries", "POST", "/v2/entries:write", "*"),
        ("ListLogEntries", "POST", "/v2/entries:list", "*"),
        ("TailLogEntries", "POST", "/v2/entries:tail", "*"),
        ("ListMonitoredResourceDescriptors", "GET", "/v2/monitoredResourceDescriptors", ""),
        ("ListLogs", "GET", "/v2/{parent=*/*}/logs", ""),
    ),
    "google.logging.v2.MetricsServiceV2": (
        ("ListLogMetrics", "GET", "/v2/{parent=projects/*}/metrics", ""),
        ("GetLogMetric", "GET", "/v2/{metric_name=projects/*/metrics/*}", ""),
        ("CreateLogMetric", "POST", "/v2/{parent=projects/*}/metrics", "metric"),
        ("UpdateLogMetric", "PUT", "/v2/{metric_name=projects/*/metrics/*}", "metric"),
        ("DeleteLogMetric", "DELETE", "/v2/{metric_name=projects/*/metrics/*}", ""),
    ),
    "google.monitoring.v3.AlertPolicyService": (
        ("ListAlertPolicies", "GET", "/v3/{name=projects/*}/alertPolicies", ""),
        ("GetAlertPolicy", "GET", "/v3/{name=projects/*/alertPolicies/*}", ""),
        ("CreateAlertPolicy", "POST", "/v3/{name=projects/*}/alertPolicies", "alert_policy"),
        ("DeleteAlertPolicy", "DELETE", "/v3/{name=projects/*/alertPolicies/*}", ""),
        (
            "UpdateAlertPolicy",
            "PATCH",
            "/v3/{alert_policy.name=projects/*/alertPolicies/*}",
            "alert_policy",
        ),
    ),
    "google.monitoring.v3.NotificationChannelService": (
        (
            "ListNotificationChannelDescriptors",
            "GET",
            "/v3/{name=projects/*}/notificationChannelDescriptors",
            "",
        ),
        (
            "GetNotificationChannelDescriptor",
            "GET",
            "/v3/{name=projects/*/notificationChannelDescriptors/*}",
            "",
        ),
        ("ListNotificationChannels", "GET", "/v3/{name=projects/*}/notificationChannels", ""),
        ("GetNotificationChannel", "GET", "/v3/{name=projects/*/notificationChannels/*}", ""),
        (
            "CreateNotificationChannel",
            "POST",
            "/v3/{name=projects/*}/notificationChannels",
            "notification_channel",
        ),
        (
            "UpdateNotificationChannel",
            "PATCH",
            "/v3/{notification_channel.name=projects/*/notificationChannels/*}",
            "notification_channel",
        ),
        ("DeleteNotificationChannel", "DELETE", "/v3/{name=projects/*/notificationChannels/*}", ""),
    ),
    "google.monitoring.v3.MetricService": (
        ("ListMetricDescriptors", "GET", "/v3/{name=projects/*}/metricDescriptors", ""),
        ("GetMetricDescriptor", "GET", "/v3/{name=projects/*/metricDescriptors/**}", ""),
        (
            "CreateMetricDescriptor",
            "POST",
            "/v3/{name=projects/*}/metricDescriptors",
            "metric_descriptor",
        ),
        ("DeleteMetricDescriptor", "DELETE", "/v3/{name=projects/*/metricDescriptors/**}", ""),
        ("ListTimeSeries", "GET", "/v3/{name=projects/*}/timeSeries", ""),
        ("CreateTimeSeries", "POST", "/v3/{name=projects/*}/timeSeries", "*"),
    ),
}

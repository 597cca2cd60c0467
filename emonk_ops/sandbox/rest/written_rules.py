"""HTTP rules of APIs whose Google client speaks gRPC only, from their REST reference.

service -> (method, verb, path template, body)
"""

from __future__ import annotations

from collections.abc import Iterable

Written = tuple[str, str, str, str]

WRITTEN: dict[str, tuple[Written, ...]] = {}


def _resource(
    kind: str,
    kinds: str,
    collection: str,
    *,
    parent: str,
    name: str = "name",
    field: str = "",
    update: str = "PATCH",
    only: Iterable[str] = ("List", "Get", "Create", "Update", "Delete"),
) -> tuple[Written, ...]:
    """The standard methods of a collection; `field` is what holds the resource in a request."""
    pattern = parent.partition("=")[2]
    one = f"{pattern}/{collection}"
    held = f"{field}.name" if update == "PATCH" else name
    everything = {
        "List": (f"List{kinds}", "GET", f"{{{parent}}}/{collection}", ""),
        "Get": (f"Get{kind}", "GET", f"{{{name}={one}/*}}", ""),
        "Create": (f"Create{kind}", "POST", f"{{{parent}}}/{collection}", field),
        "Update": (f"Update{kind}", update, f"{{{held}={one}/*}}", field),
        "Delete": (f"Delete{kind}", "DELETE", f"{{{name}={one}/*}}", ""),
    }
    return tuple(everything[verb] for verb in only)


def _under(prefix: str, *rules: Written) -> tuple[Written, ...]:
    return tuple((method, verb, f"{prefix}/{path}", body) for method, verb, path, body in rules)


WRITTEN["google.logging.v2.LoggingServiceV2"] = _under(
    "/v2",
    ("DeleteLog", "DELETE", "{log_name=projects/*/logs/*}", ""),
    ("WriteLogEntries", "POST", "entries:write", "*"),
    ("ListLogEntries", "POST", "entries:list", "*"),
    ("TailLogEntries", "POST", "entries:tail", "*"),
    ("ListMonitoredResourceDescriptors", "GET", "monitoredResourceDescriptors", ""),
    ("ListLogs", "GET", "{parent=*/*}/logs", ""),
)
WRITTEN["google.logging.v2.MetricsServiceV2"] = _under(
    "/v2",
    *_resource(
        "LogMetric",
        "LogMetrics",
        "metrics",
        parent="parent=projects/*",
        name="metric_name",
        field="metric",
        update="PUT",
    ),
)
WRITTEN["google.logging.v2.ConfigServiceV2"] = _under(
    "/v2",
    *_resource(
        "Sink",
        "Sinks",
        "sinks",
        parent="parent=*/*",
        name="sink_name",
        field="sink",
        update="PUT",
    ),
    *_resource(
        "Exclusion",
        "Exclusions",
        "exclusions",
        parent="parent=*/*",
        only=("List", "Get", "Delete"),
    ),
    *_resource(
        "Bucket",
        "Buckets",
        "buckets",
        parent="parent=*/*/locations/*",
        only=("List", "Get", "Delete"),
    ),
    *_resource(
        "View",
        "Views",
        "views",
        parent="parent=*/*/locations/*/buckets/*",
        only=("List", "Get", "Delete"),
    ),
)
WRITTEN["google.monitoring.v3.AlertPolicyService"] = _under(
    "/v3",
    *_resource(
        "AlertPolicy",
        "AlertPolicies",
        "alertPolicies",
        parent="name=projects/*",
        field="alert_policy",
    ),
)
WRITTEN["google.monitoring.v3.NotificationChannelService"] = _under(
    "/v3",
    *_resource(
        "NotificationChannelDescriptor",
        "NotificationChannelDescriptors",
        "notificationChannelDescriptors",
        parent="name=projects/*",
        only=("List", "Get"),
    ),
    *_resource(
        "NotificationChannel",
        "NotificationChannels",
        "notificationChannels",
        parent="name=projects/*",
        field="notification_channel",
    ),
)
WRITTEN["google.monitoring.v3.MetricService"] = _under(
    "/v3",
    ("ListMetricDescriptors", "GET", "{name=projects/*}/metricDescriptors", ""),
    ("GetMetricDescriptor", "GET", "{name=projects/*/metricDescriptors/**}", ""),
    ("CreateMetricDescriptor", "POST", "{name=projects/*}/metricDescriptors", "metric_descriptor"),
    ("DeleteMetricDescriptor", "DELETE", "{name=projects/*/metricDescriptors/**}", ""),
    ("ListTimeSeries", "GET", "{name=projects/*}/timeSeries", ""),
    ("CreateTimeSeries", "POST", "{name=projects/*}/timeSeries", "*"),
)
WRITTEN["google.monitoring.v3.UptimeCheckService"] = _under(
    "/v3",
    *_resource(
        "UptimeCheckConfig",
        "UptimeCheckConfigs",
        "uptimeCheckConfigs",
        parent="parent=projects/*",
        field="uptime_check_config",
    ),
)
WRITTEN["google.monitoring.v3.SnoozeService"] = _under(
    "/v3",
    *_resource(
        "Snooze",
        "Snoozes",
        "snoozes",
        parent="parent=projects/*",
        field="snooze",
        only=("List", "Get", "Create", "Update"),
    ),
)

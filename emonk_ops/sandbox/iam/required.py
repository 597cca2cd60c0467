"""Which permission each method asks for, and on which resource of its request.

From the products' pages on access control (run/docs/reference/iam/permissions,
scheduler/docs/access-control, firestore/docs/security/iam, logging/docs/access-control).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple


class Required(NamedTuple):
    """A permission, and the fields of the request that may name its resource, the first set one."""

    permission: str
    fields: tuple[str, ...]


def _table(
    service: str, rows: Iterable[tuple[str, str, str | tuple[str, ...]]]
) -> dict[str, Required]:
    return {
        f"/{service}/{method}": Required(
            permission, fields if isinstance(fields, tuple) else (fields,)
        )
        for method, permission, fields in rows
    }


_RUN = "run.services."
_JOBS = "cloudscheduler.jobs."
_ENTITIES = "datastore.entities."
_DATABASES = "datastore.databases."
_PROJECTS = "resourcemanager.projects."
_METRICS = "logging.logMetrics."
_USAGE = "serviceusage.services."

REQUIRED: dict[str, Required] = {
    **_table(
        "google.cloud.run.v2.Services",
        (
            ("CreateService", _RUN + "create", "parent"),
            ("GetService", _RUN + "get", "name"),
            ("ListServices", _RUN + "list", "parent"),
            ("UpdateService", _RUN + "update", "service.name"),
            ("DeleteService", _RUN + "delete", "name"),
            ("GetIamPolicy", _RUN + "getIamPolicy", "resource"),
            ("SetIamPolicy", _RUN + "setIamPolicy", "resource"),
        ),
    ),
    **_table(
        "google.cloud.run.v2.Revisions",
        (
            ("GetRevision", "run.revisions.get", "name"),
            ("ListRevisions", "run.revisions.list", "parent"),
            ("DeleteRevision", "run.revisions.delete", "name"),
        ),
    ),
    **_table(
        "google.cloud.scheduler.v1.CloudScheduler",
        (
            ("CreateJob", _JOBS + "create", "parent"),
            ("GetJob", _JOBS + "get", "name"),
            ("ListJobs", _JOBS + "list", "parent"),
            ("UpdateJob", _JOBS + "update", "job.name"),
            ("DeleteJob", _JOBS + "delete", "name"),
            ("PauseJob", _JOBS + "pause", "name"),
            ("ResumeJob", _JOBS + "enable", "name"),
            ("RunJob", _JOBS + "run", "name"),
        ),
    ),
    **_table(
        "google.logging.v2.LoggingServiceV2",
        (
            ("WriteLogEntries", "logging.logEntries.create", ("log_name", "entries.log_name")),
            ("ListLogEntries", "logging.logEntries.list", "resource_names"),
            ("TailLogEntries", "logging.logEntries.list", "resource_names"),
            ("ListLogs", "logging.logs.list", "parent"),
            ("DeleteLog", "logging.logs.delete", "log_name"),
        ),
    ),
    **_table(
        "google.logging.v2.MetricsServiceV2",
        (
            ("CreateLogMetric", _METRICS + "create", "parent"),
            ("GetLogMetric", _METRICS + "get", "metric_name"),
            ("ListLogMetrics", _METRICS + "list", "parent"),
            ("UpdateLogMetric", _METRICS + "update", "metric_name"),
            ("DeleteLogMetric", _METRICS + "delete", "metric_name"),
        ),
    ),
    **_table(
        "google.firestore.v1.Firestore",
        (
            ("GetDocument", _ENTITIES + "get", "name"),
            ("BatchGetDocuments", _ENTITIES + "get", "database"),
            ("ListDocuments", _ENTITIES + "list", "parent"),
            ("ListCollectionIds", _ENTITIES + "list", "parent"),
            ("RunQuery", _ENTITIES + "list", "parent"),
            ("RunAggregationQuery", _ENTITIES + "list", "parent"),
            ("PartitionQuery", _ENTITIES + "list", "parent"),
            ("Listen", _ENTITIES + "list", "database"),
            ("CreateDocument", _ENTITIES + "create", "parent"),
            ("UpdateDocument", _ENTITIES + "update", "document.name"),
            ("DeleteDocument", _ENTITIES + "delete", "name"),
            ("Commit", _ENTITIES + "update", "database"),
            ("BatchWrite", _ENTITIES + "update", "database"),
            ("Write", _ENTITIES + "update", "database"),
            ("BeginTransaction", _DATABASES + "get", "database"),
            ("Rollback", _DATABASES + "get", "database"),
        ),
    ),
    **_table(
        "google.firestore.admin.v1.FirestoreAdmin",
        (
            ("GetDatabase", _DATABASES + "getMetadata", "name"),
            ("ListDatabases", _DATABASES + "list", "parent"),
            ("CreateDatabase", _DATABASES + "create", "parent"),
            ("DeleteDatabase", _DATABASES + "delete", "name"),
        ),
    ),
    **_table(
        "google.cloud.resourcemanager.v3.Projects",
        (
            ("GetProject", _PROJECTS + "get", "name"),
            ("GetIamPolicy", _PROJECTS + "getIamPolicy", "resource"),
            ("SetIamPolicy", _PROJECTS + "setIamPolicy", "resource"),
        ),
    ),
    **_table(
        "google.api.serviceusage.v1.ServiceUsage",
        (
            ("GetService", _USAGE + "get", "name"),
            ("ListServices", _USAGE + "list", "parent"),
            ("BatchGetServices", _USAGE + "get", "parent"),
            ("EnableService", _USAGE + "enable", "name"),
            ("BatchEnableServices", _USAGE + "enable", "parent"),
            ("DisableService", _USAGE + "disable", "name"),
        ),
    ),
    **{
        f"/google.monitoring.{service}/{verb}{noun}": Required(
            f"monitoring.{permission}.{action}", fields
        )
        for service, noun, permission in (
            ("v3.AlertPolicyService", "AlertPolicy", "alertPolicies"),
            ("v3.NotificationChannelService", "NotificationChannel", "notificationChannels"),
            ("dashboard.v1.DashboardsService", "Dashboard", "dashboards"),
        )
        for verb, action, fields in (
            ("Create", "create", ("name", "parent")),
            ("Get", "get", ("name",)),
            (
                "Update",
                "update",
                ("alert_policy.name", "notification_channel.name", "dashboard.name"),
            ),
            ("Delete", "delete", ("name",)),
        )
    },
    **_table(
        "google.monitoring.v3.MetricService",
        (("ListTimeSeries", "monitoring.timeSeries.list", "name"),),
    ),
}

# The API that must be enabled in the project, by the service's full name.
APIS: dict[str, tuple[str, str]] = {
    "google.cloud.run.v2.": ("run.googleapis.com", "Cloud Run Admin API"),
    "google.cloud.scheduler.v1.": ("cloudscheduler.googleapis.com", "Cloud Scheduler API"),
    "google.logging.v2.": ("logging.googleapis.com", "Cloud Logging API"),
    "google.firestore.": ("firestore.googleapis.com", "Cloud Firestore API"),
    "google.monitoring.": ("monitoring.googleapis.com", "Cloud Monitoring API"),
    "google.cloud.resourcemanager.": (
        "cloudresourcemanager.googleapis.com",
        "Cloud Resource Manager API",
    ),
}


@cache
def api_of(method: str) -> tuple[str, str] | None:
    """Name and title of the API that `/package.Service/Method` belongs to."""
    service = method.lstrip("/")
    for prefix, api in APIS.items():
        if service.startswith(prefix):
            return api
    return None


def resource_of(request: Any, fields: tuple[str, ...]) -> str:
    """The first of the fields that names a resource; of a list, its first element."""
    for field in fields:
        if found := _follow(request, field.split(".")):
            return found
    return ""


def _follow(message: Any, path: list[str]) -> str:
    for name in path:
        if name not in message.DESCRIPTOR.fields_by_name:
            return ""
        message = getattr(message, name)
        if not isinstance(message, str) and hasattr(message, "__len__"):
            if not len(message):
                return ""
            message = message[0]
    return message if isinstance(message, str) else ""

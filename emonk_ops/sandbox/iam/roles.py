"""What each role permits, as far as the sandbox's APIs ask (iam/docs/understanding-roles)."""

from __future__ import annotations

from collections.abc import Iterable

BASIC = ("roles/owner", "roles/editor", "roles/viewer")

_FIRESTORE_READ = (
    "datastore.databases.get",
    "datastore.databases.getMetadata",
    "datastore.databases.list",
    "datastore.entities.get",
    "datastore.entities.list",
    "datastore.indexes.list",
)
_FIRESTORE_WRITE = (
    "datastore.entities.allocateIds",
    "datastore.entities.create",
    "datastore.entities.delete",
    "datastore.entities.update",
)
_FIRESTORE_OWN = ("datastore.databases.create", "datastore.databases.delete")
_RUN_READ = (
    "run.operations.get",
    "run.operations.list",
    "run.revisions.get",
    "run.revisions.list",
    "run.services.get",
    "run.services.getIamPolicy",
    "run.services.list",
)
_RUN_WRITE = (
    "run.operations.delete",
    "run.revisions.delete",
    "run.services.create",
    "run.services.delete",
    "run.services.update",
)
_RUN_OWN = ("run.services.setIamPolicy",)
_INVOKE = ("run.routes.invoke",)
_JOBS_READ = ("cloudscheduler.jobs.get", "cloudscheduler.jobs.list")
_JOBS_RUN = ("cloudscheduler.jobs.run",)
_JOBS_WRITE = (
    "cloudscheduler.jobs.create",
    "cloudscheduler.jobs.delete",
    "cloudscheduler.jobs.enable",
    "cloudscheduler.jobs.pause",
    "cloudscheduler.jobs.update",
)
_LOGS_READ = (
    "logging.logEntries.list",
    "logging.logMetrics.get",
    "logging.logMetrics.list",
    "logging.logs.list",
)
_LOGS_WRITE = ("logging.logEntries.create",)
_LOGS_OWN = (
    "logging.logMetrics.create",
    "logging.logMetrics.delete",
    "logging.logMetrics.update",
    "logging.logs.delete",
)
_MONITOR_READ = (
    "monitoring.alertPolicies.get",
    "monitoring.alertPolicies.list",
    "monitoring.dashboards.get",
    "monitoring.dashboards.list",
    "monitoring.notificationChannels.get",
    "monitoring.notificationChannels.list",
    "monitoring.timeSeries.list",
)
_MONITOR_WRITE = (
    "monitoring.alertPolicies.create",
    "monitoring.alertPolicies.delete",
    "monitoring.alertPolicies.update",
    "monitoring.dashboards.create",
    "monitoring.dashboards.delete",
    "monitoring.dashboards.update",
    "monitoring.notificationChannels.create",
    "monitoring.notificationChannels.delete",
    "monitoring.notificationChannels.update",
)
_USAGE_READ = ("serviceusage.services.get", "serviceusage.services.list")
_USAGE_WRITE = ("serviceusage.services.disable", "serviceusage.services.enable")
_PROJECT_READ = ("resourcemanager.projects.get",)
_POLICY_READ = ("resourcemanager.projects.getIamPolicy",)
_POLICY_WRITE = ("resourcemanager.projects.setIamPolicy",)
_ACT_AS = ("iam.serviceAccounts.actAs",)
_TOKENS = (
    "iam.serviceAccounts.getAccessToken",
    "iam.serviceAccounts.getOpenIdToken",
    "iam.serviceAccounts.implicitDelegation",
    "iam.serviceAccounts.signBlob",
)
_READ = (
    *_FIRESTORE_READ,
    *_RUN_READ,
    *_JOBS_READ,
    *_LOGS_READ,
    *_MONITOR_READ,
    *_USAGE_READ,
    *_PROJECT_READ,
)
_WRITE = (
    *_FIRESTORE_WRITE,
    *_RUN_WRITE,
    *_JOBS_WRITE,
    *_JOBS_RUN,
    *_LOGS_WRITE,
    *_LOGS_OWN,
    *_MONITOR_WRITE,
    *_USAGE_WRITE,
    *_ACT_AS,
)
_OWN = (*_FIRESTORE_OWN, *_RUN_OWN, *_INVOKE, *_POLICY_READ, *_POLICY_WRITE)


def _set(*groups: Iterable[str]) -> frozenset[str]:
    return frozenset(one for group in groups for one in group)


PERMISSIONS: dict[str, frozenset[str]] = {
    "roles/owner": _set(_READ, _WRITE, _OWN),
    "roles/editor": _set(_READ, _WRITE, _FIRESTORE_OWN, _POLICY_READ),
    "roles/viewer": _set(_READ, _POLICY_READ),
    "roles/datastore.owner": _set(_FIRESTORE_READ, _FIRESTORE_WRITE, _FIRESTORE_OWN),
    "roles/datastore.user": _set(_FIRESTORE_READ, _FIRESTORE_WRITE, _PROJECT_READ),
    "roles/datastore.viewer": _set(_FIRESTORE_READ, _PROJECT_READ),
    "roles/run.admin": _set(_RUN_READ, _RUN_WRITE, _RUN_OWN, _INVOKE, _PROJECT_READ),
    "roles/run.developer": _set(_RUN_READ, _RUN_WRITE, _PROJECT_READ),
    "roles/run.viewer": _set(_RUN_READ, _PROJECT_READ),
    "roles/run.invoker": _set(_INVOKE),
    "roles/cloudscheduler.admin": _set(_JOBS_READ, _JOBS_WRITE, _JOBS_RUN, _PROJECT_READ),
    "roles/cloudscheduler.jobRunner": _set(_JOBS_RUN),
    "roles/cloudscheduler.viewer": _set(_JOBS_READ, _PROJECT_READ),
    "roles/cloudscheduler.serviceAgent": _set(_TOKENS, _LOGS_WRITE),
    "roles/logging.admin": _set(_LOGS_READ, _LOGS_WRITE, _LOGS_OWN),
    "roles/logging.configWriter": _set(_LOGS_OWN, ("logging.logMetrics.get",)),
    "roles/logging.logWriter": _set(_LOGS_WRITE),
    "roles/logging.viewer": _set(_LOGS_READ, _PROJECT_READ),
    "roles/monitoring.admin": _set(_MONITOR_READ, _MONITOR_WRITE),
    "roles/monitoring.editor": _set(_MONITOR_READ, _MONITOR_WRITE),
    "roles/monitoring.viewer": _set(_MONITOR_READ, _PROJECT_READ),
    "roles/serviceusage.serviceUsageAdmin": _set(_USAGE_READ, _USAGE_WRITE),
    "roles/serviceusage.serviceUsageConsumer": _set(_USAGE_READ),
    "roles/serviceusage.serviceUsageViewer": _set(_USAGE_READ),
    "roles/iam.securityAdmin": _set(_POLICY_READ, _POLICY_WRITE, ("run.services.getIamPolicy",)),
    "roles/iam.securityReviewer": _set(_POLICY_READ, ("run.services.getIamPolicy",)),
    "roles/iam.serviceAccountTokenCreator": _set(_TOKENS),
    "roles/iam.serviceAccountUser": _set(_ACT_AS),
    "roles/resourcemanager.projectIamAdmin": _set(_PROJECT_READ, _POLICY_READ, _POLICY_WRITE),
}

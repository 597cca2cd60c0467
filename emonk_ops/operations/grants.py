"""The permissions that an operator's commands use, for testIamPermissions."""

from __future__ import annotations

OPERATOR_PERMISSIONS = (
    "cloudscheduler.jobs.create",
    "cloudscheduler.jobs.enable",
    "cloudscheduler.jobs.get",
    "cloudscheduler.jobs.pause",
    "cloudscheduler.jobs.run",
    "cloudscheduler.jobs.update",
    "iam.serviceAccounts.actAs",
    "logging.logEntries.list",
    "run.operations.get",
    "run.revisions.get",
    "run.revisions.list",
    "run.services.get",
    "run.services.update",
)

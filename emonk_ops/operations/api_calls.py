"""A call to Google Cloud as it can be made again by hand: in the console, by REST, by gcloud."""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from emonk_ops.log_filter import bounded
from emonk_ops.settings import Environment


@dataclass(frozen=True)
class ApiCall:
    """`method` is the API's full method, `resource` the full name of what it is called on.

    `filter` is in Cloud Logging's language, empty for other calls.
    """

    method: str
    rest: str
    resource: str
    gcloud: str
    filter: str = ""

    def lines(self) -> list[str]:
        """For a screen; the filter goes into the Logs Explorer as it is."""
        told = [f"method:   {self.method}", f"resource: {self.resource}", f"rest:     {self.rest}"]
        if self.filter:
            told.append(f"filter:   {self.filter}")
        return [*told, f"gcloud:   {self.gcloud}"]

    def to_data(self) -> dict[str, Any]:
        return asdict(self)


def entries_call(env: Environment, query: str, since: datetime, limit: int) -> ApiCall:
    """The newest `limit` entries that match `query` since then."""
    found = bounded(query, since)
    return ApiCall(
        method="google.logging.v2.LoggingServiceV2.ListLogEntries",
        rest="POST https://logging.googleapis.com/v2/entries:list",
        resource=f"projects/{env.project}",
        filter=found,
        gcloud=_typed(
            "logging", "read", found, "--project", env.project, "--order", "desc",
            "--limit", str(limit),
        ),
    )  # fmt: skip


def tail_call(env: Environment, query: str) -> ApiCall:
    """Entries as they arrive."""
    return ApiCall(
        method="google.logging.v2.LoggingServiceV2.TailLogEntries",
        rest="POST https://logging.googleapis.com/v2/entries:tail",
        resource=f"projects/{env.project}",
        filter=query,
        gcloud=_typed("alpha", "logging", "tail", query, "--project", env.project),
    )


def job_call(env: Environment, verb: str) -> ApiCall:
    """run, pause or resume the environment's Cloud Scheduler job."""
    service = env.service
    name = f"projects/{env.project}/locations/{service.region}/jobs/{service.job}"
    return ApiCall(
        method=f"google.cloud.scheduler.v1.CloudScheduler.{verb.capitalize()}Job",
        rest=f"POST https://cloudscheduler.googleapis.com/v1/{name}:{verb}",
        resource=name,
        gcloud=_typed(
            "scheduler", "jobs", verb, service.job, "--location", service.region,
            "--project", env.project,
        ),
    )  # fmt: skip


def policy_call(env: Environment) -> ApiCall:
    """Who has which role in the project, and which Data Access logs are on."""
    name = f"projects/{env.project}"
    return ApiCall(
        method="google.cloud.resourcemanager.v3.Projects.GetIamPolicy",
        rest=f"POST https://cloudresourcemanager.googleapis.com/v3/{name}:getIamPolicy",
        resource=name,
        gcloud=_typed("projects", "get-iam-policy", env.project, "--format=json(auditConfigs)"),
    )


def _typed(*words: str) -> str:
    return shlex.join(("gcloud", *words))

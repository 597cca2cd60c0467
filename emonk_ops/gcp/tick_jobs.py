"""The environment's Cloud Scheduler job (Cloud Scheduler API v1)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emonk_ops.errors import CloudError, NotFound, Unreachable
from emonk_ops.gcp.scheduler_api import SchedulerApi
from emonk_ops.ports import TickJob, TickJobSpec
from emonk_ops.settings import Environment

# What an update may change; user headers and a body are left as they are.
UPDATED_FIELDS = (
    "description",
    "schedule",
    "timeZone",
    "attemptDeadline",
    "retryConfig.retryCount",
    "httpTarget.uri",
    "httpTarget.httpMethod",
    "httpTarget.oidcToken",
)


class GcpTickJobs:
    """One job by its full name; see `emonk_ops.ports.TickJobs`."""

    def __init__(self, env: Environment) -> None:
        self._api = SchedulerApi(env)
        self._parent = f"projects/{env.project}/locations/{env.service.region}"
        self._name = f"{self._parent}/jobs/{env.service.job}"

    def describe(self) -> TickJob | None:
        try:
            return _job(self._api.read("cloudscheduler.jobs.get", self._name))
        except NotFound:
            return None

    def create(self, spec: TickJobSpec, *, paused: bool) -> TickJob:
        call, path = "cloudscheduler.jobs.create", f"{self._parent}/jobs"
        made = self._api.write(call, "POST", path, self._document(spec))
        return self.pause() if paused else _job(made)

    def update(self, spec: TickJobSpec) -> TickJob:
        call, mask = "cloudscheduler.jobs.update", ",".join(UPDATED_FIELDS)
        wanted = self._document(spec)
        return _job(self._api.write(call, "PATCH", self._name, wanted, updateMask=mask))

    def pause(self) -> TickJob:
        return self._in_state("PAUSED", "pause")

    def resume(self) -> TickJob:
        return self._in_state("ENABLED", "resume")

    def run(self) -> TickJob:
        return _job(self._api.write("cloudscheduler.jobs.run", "POST", f"{self._name}:run"))

    def delete(self) -> None:
        self._api.write("cloudscheduler.jobs.delete", "DELETE", self._name)

    def count(self) -> int:
        found, token = 0, ""
        while True:
            path = f"{self._parent}/jobs"
            page = self._api.read("cloudscheduler.jobs.list", path, pageToken=token)
            found, token = found + len(page.get("jobs", [])), str(page.get("nextPageToken", ""))
            if not token:
                return found

    def _in_state(self, state: str, verb: str) -> TickJob:
        """The API refuses to pause a job that is paused; what was asked for is so all the same."""
        try:
            call = f"cloudscheduler.jobs.{verb}"
            return _job(self._api.write(call, "POST", f"{self._name}:{verb}"))
        except (Unreachable, NotFound):
            raise
        except CloudError:
            found = self.describe()
            if found is None or found.state != state:
                raise
            return found

    def _document(self, spec: TickJobSpec) -> dict[str, Any]:
        target: dict[str, Any] = {"uri": spec.uri, "httpMethod": spec.http_method}
        if spec.oidc_account:
            target["oidcToken"] = {
                "serviceAccountEmail": spec.oidc_account,
                "audience": spec.oidc_audience,
            }
        return {
            "name": self._name,
            "description": spec.description,
            "schedule": spec.schedule,
            "timeZone": spec.time_zone,
            "attemptDeadline": f"{spec.attempt_deadline_seconds}s",
            "retryConfig": {"retryCount": spec.retry_count},
            "httpTarget": target,
        }


def _job(found: Mapping[str, Any]) -> TickJob:
    """Absent fields are what proto3 leaves out: empty, zero or false."""
    target: Mapping[str, Any] = found.get("httpTarget", {})
    token: Mapping[str, Any] = target.get("oidcToken", {})
    attempted = _moment(found.get("lastAttemptTime"))
    spec = TickJobSpec(
        schedule=str(found.get("schedule", "")),
        time_zone=str(found.get("timeZone", "")),
        uri=str(target.get("uri", "")),
        http_method=str(target.get("httpMethod", "HTTP_METHOD_UNSPECIFIED")),
        oidc_account=str(token.get("serviceAccountEmail", "")),
        oidc_audience=str(token.get("audience", "")),
        attempt_deadline_seconds=int(float(str(found.get("attemptDeadline", "0s"))[:-1])),
        retry_count=int(found.get("retryConfig", {}).get("retryCount", 0)),
        description=str(found.get("description", "")),
    )
    return TickJob(
        name=str(found["name"]).rsplit("/", 1)[-1],
        spec=spec,
        state=str(found.get("state", "STATE_UNSPECIFIED")),
        last_attempt_at=attempted,
        last_status_code=int(found.get("status", {}).get("code", 0)) if attempted else None,
        next_run_at=_moment(found.get("scheduleTime")),
    )


def _moment(stamp: Any) -> datetime | None:
    """An RFC 3339 time, nanoseconds cut to microseconds."""
    if not stamp:
        return None
    moment = datetime.fromisoformat(str(stamp)).astimezone(UTC)
    return moment if moment.year > 1970 else None

"""The environment's Cloud Scheduler job (Cloud Scheduler API v1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from emonk_ops.errors import CloudError, NotFound, Unreachable
from emonk_ops.gcp.calls import reading, writing
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.ports import TickJob, TickJobSpec
from emonk_ops.settings import Environment

# What an update may change; user headers and a body are left as they are.
UPDATED_FIELDS = (
    "description",
    "schedule",
    "time_zone",
    "attempt_deadline",
    "retry_config.retry_count",
    "http_target.uri",
    "http_target.http_method",
    "http_target.oidc_token",
)


class GcpTickJobs:
    """One job by its full name; see `emonk_ops.ports.TickJobs`."""

    def __init__(self, env: Environment) -> None:
        from google.cloud import scheduler_v1

        self._env = env
        self._types = scheduler_v1
        self._parent = f"projects/{env.project}/locations/{env.service.region}"
        self._name = f"{self._parent}/jobs/{env.service.job}"
        with translated("cloudscheduler", env):
            self._client = client(scheduler_v1.CloudSchedulerClient, env)

    def describe(self) -> TickJob | None:
        try:
            with translated("cloudscheduler.jobs.get", self._env):
                return _job(self._client.get_job(name=self._name, **reading()))
        except NotFound:
            return None

    def create(self, spec: TickJobSpec, *, paused: bool) -> TickJob:
        with translated("cloudscheduler.jobs.create", self._env):
            made = self._client.create_job(
                parent=self._parent, job=self._message(spec), **writing()
            )
        return self.pause() if paused else _job(made)

    def update(self, spec: TickJobSpec) -> TickJob:
        from google.protobuf.field_mask_pb2 import FieldMask

        with translated("cloudscheduler.jobs.update", self._env):
            return _job(
                self._client.update_job(
                    job=self._message(spec),
                    update_mask=FieldMask(paths=list(UPDATED_FIELDS)),
                    **writing(),
                )
            )

    def pause(self) -> TickJob:
        return self._in_state("PAUSED", "pause", self._client.pause_job)

    def resume(self) -> TickJob:
        return self._in_state("ENABLED", "resume", self._client.resume_job)

    def run(self) -> TickJob:
        with translated("cloudscheduler.jobs.run", self._env):
            return _job(self._client.run_job(name=self._name, **writing()))

    def delete(self) -> None:
        with translated("cloudscheduler.jobs.delete", self._env):
            self._client.delete_job(name=self._name, **writing())

    def count(self) -> int:
        with translated("cloudscheduler.jobs.list", self._env):
            return sum(1 for _ in self._client.list_jobs(parent=self._parent, **reading()))

    def _in_state(self, state: str, call: str, change: Callable[..., Any]) -> TickJob:
        """The API refuses to pause a job that is paused; what was asked for is so all the same."""
        try:
            with translated(f"cloudscheduler.jobs.{call}", self._env):
                return _job(change(name=self._name, **writing()))
        except (Unreachable, NotFound):
            raise
        except CloudError:
            found = self.describe()
            if found is None or found.state != state:
                raise
            return found

    def _message(self, spec: TickJobSpec) -> Any:
        from google.protobuf.duration_pb2 import Duration

        target: dict[str, Any] = {"uri": spec.uri, "http_method": spec.http_method}
        if spec.oidc_account:
            target["oidc_token"] = {
                "service_account_email": spec.oidc_account,
                "audience": spec.oidc_audience,
            }
        return self._types.Job(
            name=self._name,
            description=spec.description,
            schedule=spec.schedule,
            time_zone=spec.time_zone,
            attempt_deadline=Duration(seconds=spec.attempt_deadline_seconds),
            retry_config={"retry_count": spec.retry_count},
            http_target=target,
        )


def _job(message: Any) -> TickJob:
    target = message.http_target
    attempted = _moment(message.last_attempt_time)
    spec = TickJobSpec(
        schedule=message.schedule,
        time_zone=message.time_zone,
        uri=target.uri,
        http_method=target.http_method.name,
        oidc_account=target.oidc_token.service_account_email,
        oidc_audience=target.oidc_token.audience,
        attempt_deadline_seconds=int(message.attempt_deadline.total_seconds()),
        retry_count=message.retry_config.retry_count,
        description=message.description,
    )
    return TickJob(
        name=message.name.rsplit("/", 1)[-1],
        spec=spec,
        state=message.state.name,
        last_attempt_at=attempted,
        last_status_code=message.status.code if attempted else None,
        next_run_at=_moment(message.schedule_time),
    )


def _moment(stamp: Any) -> datetime | None:
    if not stamp:
        return None
    moment = datetime.fromtimestamp(stamp.timestamp(), UTC)
    return moment if moment.year > 1970 else None

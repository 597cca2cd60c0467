"""The environment's service on Cloud Run (Cloud Run Admin API v2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from emonk_ops.clock import Clock, sleep
from emonk_ops.errors import CloudError, DeployFailed, Unreachable
from emonk_ops.gcp.calls import reading, writing
from emonk_ops.gcp.cloud_run_messages import (
    apply_request,
    first_paragraph,
    revision_of,
    service_of,
    traffic_of,
)
from emonk_ops.gcp.endpoints import client
from emonk_ops.gcp.faults import translated
from emonk_ops.ports import DeployRequest, Revision, Service, TrafficShare
from emonk_ops.settings import Environment

POLL_SECONDS = 0.25


class GcpCloudRun:
    """See `emonk_ops.ports.CloudRun`. Every write is read-modify-write with the service's etag."""

    def __init__(self, env: Environment, clock: Clock) -> None:
        from google.cloud import run_v2

        self._env = env
        self._clock = clock
        self._types = run_v2
        region = env.service.region
        self._name = f"projects/{env.project}/locations/{region}/services/{env.service.name}"
        with translated("run", env):
            self._services = client(run_v2.ServicesClient, env)
            self._revisions = client(run_v2.RevisionsClient, env)

    def describe_service(self) -> Service:
        return service_of(self._read())

    def describe_revision(self, name: str) -> Revision:
        with translated("run.revisions.get", self._env):
            found = self._revisions.get_revision(name=f"{self._name}/revisions/{name}", **reading())
        return revision_of(found)

    def list_revisions(self) -> tuple[Revision, ...]:
        with translated("run.revisions.list", self._env):
            found = list(self._revisions.list_revisions(parent=self._name, **reading()))
        ordered = sorted(found, key=lambda one: one.create_time.timestamp(), reverse=True)
        return tuple(revision_of(one) for one in ordered)

    def deploy(self, request: DeployRequest, *, timeout_seconds: float) -> Service:
        def change(message: Any) -> None:
            apply_request(message, request)

        try:
            return self._update(change, timeout_seconds=timeout_seconds)
        except CloudError as error:
            created = self.describe_service().latest_created
            if isinstance(error, Unreachable) or not self._never_ready(created):
                raise
            raise DeployFailed(
                f"revision {created} never became ready: {self.describe_revision(created).reason}",
                hint=f"emonk-ops logs errors --env {self._env.name}",
                revision=created,
            ) from error

    def route(self, traffic: Sequence[TrafficShare], *, timeout_seconds: float) -> Service:
        def change(message: Any) -> None:
            message.traffic = [traffic_of(share, self._types) for share in traffic]

        return self._update(change, timeout_seconds=timeout_seconds)

    def annotate(self, annotations: Mapping[str, str | None]) -> Service:
        def change(message: Any) -> None:
            kept = {**dict(message.annotations), **annotations}
            message.annotations = {key: value for key, value in kept.items() if value is not None}

        return self._update(change, timeout_seconds=60.0)

    def _read(self) -> Any:
        with translated("run.services.get", self._env):
            return self._services.get_service(name=self._name, **reading())

    def _never_ready(self, revision: str) -> bool:
        found = self.describe_revision(revision) if revision else None
        return found is not None and not found.ready

    def _update(self, change: Callable[[Any], None], *, timeout_seconds: float) -> Service:
        message = self._read()
        change(message)
        with translated("run.services.update", self._env):
            operation = self._services.update_service(service=message, **writing())
        self._wait(operation.operation.name, timeout_seconds)
        return self.describe_service()

    def _wait(self, operation: str, timeout_seconds: float) -> None:
        """Poll on the environment's own clock; the client's polling sleeps on the machine's."""
        deadline = self._clock.now() + timedelta(seconds=timeout_seconds)
        while True:
            with translated("run.operations.get", self._env):
                found = self._services.get_operation({"name": operation}, **reading())
            if found.done:
                break
            if self._clock.now() >= deadline:
                raise Unreachable(
                    f"run.services.update: not finished after {timeout_seconds:.0f} s",
                    hint=f"emonk-ops status --env {self._env.name}",
                )
            sleep(self._clock, POLL_SECONDS)
        if found.HasField("error"):
            raise CloudError(
                f"run.services.update: {first_paragraph(found.error.message)}",
                hint=f"emonk-ops logs errors --env {self._env.name}",
            )

"""Cloud Run and Cloud Scheduler in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from emonk_ops.errors import Conflict, DeployFailed, NotFound
from emonk_ops.operations.cadence import next_slots
from emonk_ops.ports import DeployRequest, Revision, Service, TickJob, TickJobSpec, TrafficShare
from emonk_ops.testing.world import NAME, URI, InMemoryWorld


class InMemoryCloudRun:
    """See `emonk_ops.ports.CloudRun`."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world

    def describe_service(self) -> Service:
        world = self._world
        latest, ready = world.revisions[-1], world.latest_ready
        return Service(
            name=NAME,
            uri=URI,
            etag=f'"{world.generation}"',
            generation=world.generation,
            ready=latest.ready,
            reason=latest.reason,
            latest_created=latest.name,
            latest_ready=ready,
            traffic=world.traffic,
            serving=tuple(replace(one, revision=one.revision or ready) for one in world.traffic),
            template=world.template,
            annotations=dict(world.annotations),
        )

    def describe_revision(self, name: str) -> Revision:
        return self._world.revision(name)

    def list_revisions(self) -> tuple[Revision, ...]:
        return tuple(reversed(self._world.revisions))

    def deploy(self, request: DeployRequest, *, timeout_seconds: float) -> Service:
        world = self._world
        template = _changed(world.template, request)
        with world.change("deploy"):
            world.annotations |= request.annotations
            if template != world.template:
                world.template = template
                world.make_revision()
        made = world.revisions[-1]
        if not made.ready:
            raise DeployFailed(
                f"revision {made.name} never became ready: {made.reason}", revision=made.name
            )
        return self.describe_service()

    def route(self, traffic: Sequence[TrafficShare], *, timeout_seconds: float) -> Service:
        for share in traffic:
            if share.revision:
                self._world.revision(share.revision)
        with self._world.change("route"):
            self._world.traffic = tuple(traffic)
        return self.describe_service()

    def annotate(self, annotations: Mapping[str, str | None]) -> Service:
        with self._world.change("annotate"):
            kept = {**self._world.annotations, **annotations}
            self._world.annotations = {
                name: value for name, value in kept.items() if value is not None
            }
        return self.describe_service()


class InMemoryTickJobs:
    """See `emonk_ops.ports.TickJobs`."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world

    def describe(self) -> TickJob | None:
        return self._world.job

    def create(self, spec: TickJobSpec, *, paused: bool) -> TickJob:
        if self._world.job is not None:
            raise Conflict("cloudscheduler.jobs.create: the job exists already")
        with self._world.change("create"):
            job = TickJob(f"{NAME}-tick", spec, "ENABLED", None, None, None)
            self._world.job = self._planned(job)
        return self.pause() if paused else self._existing("get")

    def update(self, spec: TickJobSpec) -> TickJob:
        return self._set("update", spec=spec)

    def pause(self) -> TickJob:
        return self._set("pause", state="PAUSED")

    def resume(self) -> TickJob:
        return self._set("resume", state="ENABLED")

    def run(self) -> TickJob:
        self._existing("run")
        with self._world.change("run"):
            self._world.attempt()
        return self._existing("run")

    def delete(self) -> None:
        self._existing("delete")
        with self._world.change("delete"):
            self._world.job = None

    def count(self) -> int:
        return self._world.other_jobs + (self._world.job is not None)

    def _existing(self, call: str) -> TickJob:
        if self._world.job is None:
            raise NotFound(f"cloudscheduler.jobs.{call}: the job does not exist")
        return self._world.job

    def _set(self, call: str, **changes: Any) -> TickJob:
        job = self._existing(call)
        with self._world.change(call):
            self._world.job = self._planned(replace(job, **changes))
        return self._existing(call)

    def _planned(self, job: TickJob) -> TickJob:
        now = self._world.clock.now()
        slots = next_slots(job.spec.schedule, job.spec.time_zone, now, 1)
        return replace(job, next_run_at=slots[0] if job.state == "ENABLED" else None)


def _changed(template: Revision, request: DeployRequest) -> Revision:
    env: dict[str, str | None] = {**template.env, **request.env}
    wanted: dict[str, Any] = {
        "min_instances": request.min_instances,
        "max_instances": request.max_instances,
        "cpu_always_allocated": request.cpu_always_allocated,
    }
    return replace(
        template,
        image=request.image or template.image,
        env={name: value for name, value in env.items() if value is not None},
        **{name: value for name, value in wanted.items() if value is not None},
    )

"""Between Cloud Run's messages and our records. Everything not named here is left as it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from emonk_ops.ports import DeployRequest, Revision, Service, TrafficShare

SUCCEEDED = "CONDITION_SUCCEEDED"


def short(name: str) -> str:
    return name.rsplit("/", 1)[-1]


def first_paragraph(words: str) -> str:
    """The platform's words without the links to its manuals that follow them."""
    return " ".join(words.split("\n\n")[0].split())


def revision_of(message: Any) -> Revision:
    ready, reason = _readiness(message.conditions)
    return _template(message, name=short(message.name), ready=ready, reason=reason)


def service_of(message: Any) -> Service:
    condition = message.terminal_condition
    return Service(
        name=short(message.name),
        uri=message.uri,
        etag=message.etag,
        generation=message.generation,
        ready=condition.state.name == SUCCEEDED,
        reason=first_paragraph(condition.message),
        latest_created=short(message.latest_created_revision),
        latest_ready=short(message.latest_ready_revision),
        traffic=tuple(_share(one) for one in message.traffic),
        serving=_serving(message),
        template=_template(message.template, name="", ready=True, reason=""),
        annotations=dict(message.annotations),
        last_modifier=message.last_modifier,
    )


def traffic_of(share: TrafficShare, types: Any) -> Any:
    kinds = types.TrafficTargetAllocationType
    kind = (
        kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
        if share.revision
        else kinds.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
    )
    return types.TrafficTarget(
        type_=kind, revision=share.revision, percent=share.percent, tag=share.tag
    )


def apply_request(message: Any, request: DeployRequest) -> None:
    """The request's changes on the service's template; the platform names the revision."""
    template = message.template
    template.revision = ""
    container = template.containers[0]
    if request.image:
        container.image = request.image
    env = {one.name: one for one in container.env}
    for name, value in request.env.items():
        if value is None:
            env.pop(name, None)
        else:
            env[name] = {"name": name, "value": value}
    container.env = [env[name] for name in sorted(env)]
    if request.min_instances is not None:
        template.scaling.min_instance_count = request.min_instances
    if request.max_instances is not None:
        template.scaling.max_instance_count = request.max_instances
    if request.cpu_always_allocated is not None:
        container.resources.cpu_idle = not request.cpu_always_allocated
    if request.annotations:
        message.annotations = {**dict(message.annotations), **request.annotations}


def _template(message: Any, *, name: str, ready: bool, reason: str) -> Revision:
    container = message.containers[0] if message.containers else None
    created = getattr(message, "create_time", None)
    return Revision(
        name=name,
        image=container.image if container else "",
        env={one.name: one.value for one in container.env} if container else {},
        service_account=message.service_account,
        min_instances=message.scaling.min_instance_count,
        max_instances=message.scaling.max_instance_count,
        cpu_always_allocated=container is not None and not container.resources.cpu_idle,
        timeout_seconds=message.timeout.total_seconds() if message.timeout else 300.0,
        ready=ready,
        reason=reason,
        created_at=_moment(created),
    )


def _readiness(conditions: Any) -> tuple[bool, str]:
    for condition in conditions:
        if condition.type_ == "Ready":
            return condition.state.name == SUCCEEDED, first_paragraph(condition.message)
    return False, "the revision reports no Ready condition yet"


def _share(target: Any) -> TrafficShare:
    return TrafficShare(short(target.revision), target.percent, target.tag)


def _serving(message: Any) -> tuple[TrafficShare, ...]:
    """What `traffic_statuses` says, with the latest ready revision named."""
    return tuple(
        TrafficShare(
            short(status.revision) or short(message.latest_ready_revision),
            status.percent,
            status.tag,
        )
        for status in message.traffic_statuses
    )


def _moment(stamp: Any) -> datetime:
    return datetime.fromtimestamp(stamp.timestamp() if stamp else 0.0, UTC)

"""From a service's template to a revision, and from a revision to what must be run."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

from emonk_ops.sandbox.iam.projects import project_number
from emonk_ops.sandbox.run.errors import image_missing
from emonk_ops.sandbox.run.messages import Revision, Service, types
from emonk_ops.sandbox.run.names import SUFFIX_LETTERS, ServiceName, parse_revision
from emonk_ops.sandbox.run.spec import RevisionSpec
from emonk_ops.sandbox.run.state import RunState

DEFAULT_PORT = 8080
DEFAULT_CONCURRENCY = 80
DEFAULT_MAXIMUM = 100
DEFAULT_TIMEOUT_SECONDS = 300.0
DEFAULT_STARTUP_SECONDS = 240.0
_COPIED = (
    "labels",
    "annotations",
    "scaling",
    "vpc_access",
    "max_instance_request_concurrency",
    "timeout",
    "service_account",
    "containers",
    "volumes",
    "execution_environment",
    "encryption_key",
    "session_affinity",
)


def revision_id(service: str, generation: int, rng: random.Random) -> str:
    """A name as the platform gives: service-00002-abc."""
    letters = "".join(rng.choice(SUFFIX_LETTERS) for _ in range(3))
    return f"{service}-{generation:05d}-{letters}"


def make_revision(
    service: Service, name: ServiceName, identity: str, uid: str, now: datetime
) -> Revision:
    """The revision of the service's template, not ready yet."""
    template = service.template
    revision = types.Revision(
        name=name.revision(identity),
        uid=uid,
        generation=1,
        service=name.service,
        create_time=now,
        update_time=now,
        launch_stage=service.launch_stage,
        reconciling=True,
        creator=service.last_modifier,
    )
    source, target = types.RevisionTemplate.pb(template), types.Revision.pb(revision)
    for field in _COPIED:
        value = getattr(source, field)
        if hasattr(value, "CopyFrom") and source.HasField(field):
            getattr(target, field).CopyFrom(value)
        elif hasattr(value, "MergeFrom"):
            getattr(target, field).MergeFrom(value)
        elif isinstance(value, str | int | bool):
            setattr(target, field, value)
    target.labels["serving.knative.dev/service"] = name.service
    return revision


def spec_of(state: RunState, revision: Revision) -> RevisionSpec:
    """What to run; RolloutFailed when the image is not known here."""
    service, identity = parse_revision(revision.name)
    container = revision.containers[0]
    image = state.image(container.image)
    if image is None:
        raise image_missing(identity, container.image)
    minimum = revision.scaling.min_instance_count
    return RevisionSpec(
        project=service.project,
        location=service.location,
        service=service.service,
        revision=identity,
        image=container.image,
        command=(*(container.command or image.command), *container.args),
        source=image.source,
        env={variable.name: variable.value for variable in container.env},
        port=container.ports[0].container_port if container.ports else DEFAULT_PORT,
        minimum=minimum,
        maximum=max(1, minimum, revision.scaling.max_instance_count or DEFAULT_MAXIMUM),
        concurrency=revision.max_instance_request_concurrency or DEFAULT_CONCURRENCY,
        request_timeout=revision.timeout.total_seconds() or DEFAULT_TIMEOUT_SECONDS,
        startup_timeout=_startup_seconds(revision),
        account=revision.service_account or default_account(service.project),
        cpu_idle=_cpu_idle(container),
    )


def _cpu_idle(container: Any) -> bool:
    """Where resources are not spoken of, CPU is there during requests only (run.v2 API)."""
    raw = types.Container.pb(container)
    return bool(raw.resources.cpu_idle) if raw.HasField("resources") else True


def default_account(project: str) -> str:
    """Compute Engine's default account, which a revision has that names none."""
    return f"{project_number(f'projects/{project}')}-compute@developer.gserviceaccount.com"


def _startup_seconds(revision: Revision) -> float:
    """How long the port may stay silent: the startup probe's product, or the platform's 240 s."""
    probe = revision.containers[0].startup_probe
    if not probe:
        return DEFAULT_STARTUP_SECONDS
    period = probe.period_seconds or 10
    return float(probe.initial_delay_seconds + period * (probe.failure_threshold or 3))

"""The world before the migration: the bundled service on its legacy loop, in qa and production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.cloud.run_v2.types import CreateServiceRequest
from google.iam.v1 import policy_pb2

from emonk_ops.sandbox.iam.projects import INVOKER, OPERATOR, SERVICE, account
from emonk_ops.sandbox.run.names import ServiceName
from emonk_ops.sandbox.run.routes import RunApi
from emonk_ops.sandbox.run.state import BUNDLED_IMAGE
from emonk_ops.sandbox.world import World

LOCATION = "us-central1"

OPEN_TO_ALL = policy_pb2.Policy(
    bindings=[policy_pb2.Binding(role="roles/run.invoker", members=["allUsers"])]
)


@dataclass(frozen=True)
class Place:
    """A project with the service in it."""

    project: str
    environment: str
    cadence: str

    @property
    def name(self) -> ServiceName:
        return ServiceName(self.project, LOCATION, SERVICE)


PLACES = (
    Place("emonk-qa", "qa", "*/5 * * * *"),
    Place("emonk-production", "production", "* * * * *"),
)


async def populate(world: World, run: RunApi) -> None:
    """Deploy the service in each place; returns once the deployments have begun."""
    for place in PLACES:
        front = await run.platform.front(place.name)
        await run.services.create(_request(place, front.url))
        if world.policies is not None:
            # The guide expects the application's own 401, so its platform lets everybody in.
            world.policies.write(str(place.name), OPEN_TO_ALL)


def _request(place: Place, url: str) -> Any:
    request = CreateServiceRequest.pb()(parent=place.name.parent, service_id=SERVICE)
    service = request.service
    service.labels["emonk-environment"] = place.environment
    template = service.template
    template.service_account = account(SERVICE, f"projects/{place.project}")
    template.scaling.min_instance_count = 1
    template.scaling.max_instance_count = 1
    template.timeout.FromSeconds(300)
    container = template.containers.add(image=BUNDLED_IMAGE)
    container.ports.add(container_port=8080)
    container.resources.limits.update({"cpu": "1", "memory": "512Mi"})
    # Not idle between requests: without it the legacy loop would not run on the platform.
    container.resources.cpu_idle = False
    for name, value in _environment(place, url).items():
        container.env.add(name=name, value=value)
    return request


def _environment(place: Place, url: str) -> dict[str, str]:
    return {
        "ENVIRONMENT": place.environment,
        "SCHEDULER_STORAGE": "json",
        "SCHEDULER_CADENCE": place.cadence,
        "SCHEDULER_LEGACY_LOOP": "true",
        "SCHEDULER_HANDLERS": "emonk_ops.sandbox.demo_jobs",
        "VERTEX_AI_PROJECT_ID": place.project,
        "TICK_AUDIENCE": url,
        "TICK_INVOKER": account(INVOKER, f"projects/{place.project}"),
        "ADMIN_USERS": OPERATOR,
        "WEBHOOK_ALLOWED_USERS": OPERATOR,
        "WEBHOOK_AUDIENCE": f"{url}/webhook",
    }

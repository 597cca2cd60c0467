"""Control of Cloud Run that the real one does not have: images, and faults of instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emonk_ops.sandbox.control_requests import Action, Refusal, fields_of
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.run.instances import Instance, set_cold_start
from emonk_ops.sandbox.run.platform import Platform
from emonk_ops.sandbox.run.spec import Image
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.world import World

LONGEST_COLD_START_SECONDS = 240.0


class RunControl:
    """POST /sandbox/images, GET /sandbox/instances, POST /sandbox/instances/{kill,freeze,thaw}."""

    def __init__(
        self, world: World, state: RunState, platform: Platform, restoring: set[str]
    ) -> None:
        self._world = world
        self._state = state
        self._restoring = restoring
        self._platform = platform

    def actions(self) -> dict[tuple[str, str], Action]:
        return {
            ("POST", "/sandbox/images"): self._add_image,
            ("GET", "/sandbox/images"): self._images,
            ("GET", "/sandbox/instances"): self._instances,
            ("POST", "/sandbox/instances/kill"): self._kill,
            ("POST", "/sandbox/instances/freeze"): self._freeze,
            ("POST", "/sandbox/instances/thaw"): self._thaw,
            ("POST", "/sandbox/cold-start"): self._cold_start,
        }

    def describe(self) -> dict[str, Any]:
        services = []
        for service in self._state.services():
            ready = service.terminal_condition
            state = ready.state.name.removeprefix("CONDITION_").lower()
            services.append(
                {
                    "name": service.name,
                    "uri": service.uri,
                    "ready": "restoring" if service.name in self._restoring else state,
                    "message": ready.message,
                    "latest_ready_revision": service.latest_ready_revision.rpartition("/")[2],
                    "traffic": [
                        {"revision": one.revision or "LATEST", "percent": one.percent}
                        for one in service.traffic_statuses
                    ],
                    "instances": [
                        _described(one)
                        for one in self._platform.instances()
                        if service.name.endswith(f"/{one.spec.service}")
                        and service.name.startswith(f"projects/{one.spec.project}/")
                    ],
                }
            )
        return {"services": services}

    async def _add_image(self, request: Request) -> Response:
        fields = fields_of(request, "name", "command")
        command = fields["command"]
        if not isinstance(command, list) or not command:
            raise Refusal(400, "command must be a list of words", '["python", "-m", "my_service"]')
        source = Path(fields["source"]) if fields.get("source") else None
        self._state.add_image(str(fields["name"]), Image(tuple(map(str, command)), source))
        return await self._images(request)

    async def _images(self, _request: Request) -> Response:
        images = self._state.images()
        return json_response({name: list(image.command) for name, image in images.items()})

    async def _instances(self, _request: Request) -> Response:
        found = [_described(one) for one in self._platform.instances()]
        return json_response({"instances": found})

    async def _kill(self, request: Request) -> Response:
        return self._each(request, Instance.kill)

    async def _freeze(self, request: Request) -> Response:
        return self._each(request, Instance.freeze)

    async def _thaw(self, request: Request) -> Response:
        return self._each(request, Instance.thaw)

    async def _cold_start(self, request: Request) -> Response:
        seconds = fields_of(request, "seconds")["seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise Refusal(400, f"seconds must be a number, got {seconds!r}")
        if not 0 <= seconds <= LONGEST_COLD_START_SECONDS:
            raise Refusal(400, f"seconds must be 0 to {LONGEST_COLD_START_SECONDS:g}")
        set_cold_start(self._world, float(seconds))
        return json_response({"seconds": seconds})

    def _each(self, request: Request, change: Any) -> Response:
        """Apply a fault to the instances chosen by `instance` (id or its start), `revision`,
        `service` and `project`, whichever are given.
        """
        wanted = fields_of(request)
        chosen = [one for one in self._platform.instances() if _matches(one, wanted)]
        if not chosen:
            raise Refusal(404, f"no instance matches {wanted}", "list them: GET /sandbox/instances")
        for one in chosen:
            change(one)
        return json_response({"instances": [_described(one) for one in chosen]})


def _matches(instance: Instance, wanted: dict[str, Any]) -> bool:
    spec = instance.spec
    found = {"revision": spec.revision, "service": spec.service, "project": spec.project}
    if not instance.id.startswith(str(wanted.get("instance", ""))):
        return False
    return all(found[key] == wanted[key] for key in found if key in wanted)


def _described(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "pid": instance.pid,
        "project": instance.spec.project,
        "service": instance.spec.service,
        "revision": instance.spec.revision,
        "state": "frozen" if instance.frozen else instance.state.value,
        "cpu": "throttled" if instance.throttled else "allocated",
        "port": instance.port,
        "in_flight": instance.in_flight,
    }

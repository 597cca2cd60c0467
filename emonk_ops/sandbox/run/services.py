"""The methods of google.cloud.run.v2.Services."""

from __future__ import annotations

import uuid
from typing import Any

from google.longrunning.operations_pb2 import Operation
from google.protobuf.field_mask_pb2 import FieldMask

from emonk_ops.sandbox.iam.projects import OPERATOR
from emonk_ops.sandbox.run import conditions, traffic
from emonk_ops.sandbox.run.errors import (
    already_exists,
    etag_conflict,
    invalid,
    not_found,
    revision_conflict,
)
from emonk_ops.sandbox.run.messages import Service, types
from emonk_ops.sandbox.run.names import (
    ServiceName,
    check_revision_id,
    check_service_id,
    parse_parent,
    parse_service,
)
from emonk_ops.sandbox.run.operations import OperationLog
from emonk_ops.sandbox.run.paging import page
from emonk_ops.sandbox.run.revisions import make_revision, revision_id
from emonk_ops.sandbox.run.rollouts import Rollouts, packed
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.world import World

# What a caller may set; everything else of a service is the platform's to say.
_SETTABLE = (
    "description",
    "labels",
    "annotations",
    "client",
    "client_version",
    "ingress",
    "launch_stage",
    "binary_authorization",
    "template",
    "traffic",
    "scaling",
    "invoker_iam_disabled",
    "default_uri_disabled",
    "custom_audiences",
)


class ServiceMethods:
    """Each method takes a raw request and answers a raw response, or raises Refusal."""

    def __init__(
        self, world: World, state: RunState, rollouts: Rollouts, operations: OperationLog
    ) -> None:
        self._world = world
        self._state = state
        self._rollouts = rollouts
        self._operations = operations

    async def get(self, request: Any) -> Any:
        return types.Service.pb(self._found(request.name))

    def _found(self, name: str) -> Service:
        parse_service(name)
        service = self._state.service(name)
        if service is None:
            raise not_found("Resource", name)
        return service

    async def list(self, request: Any) -> Any:
        parse_parent(request.parent)
        found = [types.Service.pb(s) for s in self._state.services(f"{request.parent}/services/")]
        services, token = page(found, request.page_size, request.page_token)
        return types.ListServicesResponse.pb()(services=services, next_page_token=token)

    async def create(self, request: Any) -> Operation:
        project, location = parse_parent(request.parent)
        check_service_id(request.service_id)
        name = ServiceName(project, location, request.service_id)
        if request.service.name:
            raise invalid("service.name", "must be empty in a create request.")
        if self._state.service(str(name)) is not None:
            raise already_exists("Resource", request.service_id)
        service = types.Service(name=str(name), uid=str(uuid.uuid4()))
        service.create_time = self._world.clock.now()
        service.creator = service.last_modifier = OPERATOR
        service.launch_stage = 4  # GA
        _take(service, request.service, list(_SETTABLE))
        return self._accept(name, service, None, request.validate_only)

    async def update(self, request: Any) -> Operation:
        name = parse_service(request.service.name)
        before = self._state.service(str(name))
        if before is None:
            if not request.allow_missing:
                raise not_found("Resource", str(name))
            message = types.CreateServiceRequest.pb()(
                parent=name.parent, service_id=name.service, validate_only=request.validate_only
            )
            message.service.CopyFrom(request.service)
            message.service.name = ""
            return await self.create(message)
        _check_etag(before, request.service.etag)
        service = types.Service.deserialize(types.Service.serialize(before))
        _take(service, request.service, _paths(request.update_mask))
        return self._accept(name, service, before, request.validate_only)

    async def delete(self, request: Any) -> Operation:
        name = parse_service(request.name)
        service = self._found(request.name)
        _check_etag(service, request.etag)
        if not request.validate_only:
            self._state.delete_service(request.name)
            await self._rollouts.forget(name)
        service.delete_time = self._world.clock.now()
        return self._operations.done(name.parent, packed(service))

    def _accept(
        self, name: ServiceName, service: Service, before: Service | None, validate_only: bool
    ) -> Operation:
        """Check what is asked, keep it, and begin its rollout."""
        now = self._world.clock.now()
        _check_template(service)
        traffic.settle_traffic(service)
        service.generation = (before.generation if before else 0) + 1
        coming = self._coming(name, service, before)
        traffic.check_traffic(self._state, service, name, coming)
        service.update_time = now
        service.etag = f'"{uuid.uuid4().hex[:20]}"'
        if coming:
            service.latest_created_revision = name.revision(coming)
        if validate_only:
            return self._operations.done(name.parent, packed(service))
        if coming:
            revision = make_revision(service, name, coming, str(uuid.uuid4()), now)
            self._rollouts.new_revision(revision)
        pending = conditions.RECONCILING
        configurations = pending if coming else conditions.SUCCEEDED
        conditions.set_service(service, now, configurations=configurations, routes=pending)
        self._state.put_service(service)
        operation = self._operations.begin(name.parent, packed(service))
        full = name.revision(coming) if coming else ""
        self._rollouts.begin(service, full, operation.name)
        return operation

    def _coming(self, name: ServiceName, service: Service, before: Service | None) -> str:
        """The id of the revision that this change makes; empty when the template is the same."""
        wanted = service.template.revision
        same = before is not None and _content(before) == _content(service)
        if not wanted:
            if same:
                return ""
            return revision_id(name.service, service.generation, self._world.rng)
        check_revision_id(name.service, wanted)
        if self._state.revision(name.revision(wanted)) is not None:
            if same:
                return ""
            raise revision_conflict(wanted)
        return str(wanted)


def _paths(mask: FieldMask) -> list[str]:
    paths = list(mask.paths)
    if not paths or paths == ["*"]:
        return list(_SETTABLE)
    known = types.Service.pb().DESCRIPTOR
    if not mask.IsValidForDescriptor(known):
        raise invalid("update_mask", f"'{', '.join(paths)}' names a field that does not exist.")
    return [path for path in paths if path.partition(".")[0] in _SETTABLE]


def _take(service: Service, given: Any, paths: list[str]) -> None:
    """Replace the fields under `paths` by those given; lists and messages are replaced whole."""
    target = types.Service.pb(service)
    for path in paths:
        if "." not in path:
            target.ClearField(path)
    if paths:
        FieldMask(paths=paths).MergeMessage(given, target, True, True)


def _check_template(service: Service) -> None:
    containers = service.template.containers
    if not containers:
        raise invalid("template.containers", "must contain at least one container.")
    if not containers[0].image:
        raise invalid("template.containers[0].image", "an image is required.")
    reserved = {"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION"}
    for variable in containers[0].env:
        if variable.name in reserved:
            raise invalid(
                "template.containers[0].env",
                "The following reserved env names were provided: "
                f"{variable.name}. These values are automatically set by the system.",
            )


def _content(service: Service) -> bytes:
    """The template without the name of its revision, to compare."""
    template = types.RevisionTemplate.pb()()
    template.CopyFrom(types.RevisionTemplate.pb(service.template))
    template.revision = ""
    return bytes(template.SerializeToString(deterministic=True))


def _check_etag(service: Service, given: str) -> None:
    if given and given != service.etag:
        raise etag_conflict(service.name, given, service.etag)

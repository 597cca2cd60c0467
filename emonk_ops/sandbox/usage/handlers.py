"""google.api.serviceusage.v1.ServiceUsage: raw requests in, raw answers out."""

from __future__ import annotations

import re
from typing import Any

import grpc
from google.cloud.service_usage_v1 import types
from google.longrunning.operations_pb2 import Operation
from google.protobuf import any_pb2

from emonk_ops.sandbox.iam.errors import Refusal, invalid
from emonk_ops.sandbox.iam.projects import project_number
from emonk_ops.sandbox.usage.state import TITLES, Enabled

MAX_PAGE = 200
_NAME = re.compile(r"projects/([^/]+)/services/([^/]+)")
_State = types.State

METHODS = (
    ("GetService", "get_service", types.GetServiceRequest.pb()),
    ("ListServices", "list_services", types.ListServicesRequest.pb()),
    ("BatchGetServices", "batch_get_services", types.BatchGetServicesRequest.pb()),
    ("EnableService", "enable_service", types.EnableServiceRequest.pb()),
    ("DisableService", "disable_service", types.DisableServiceRequest.pb()),
    ("BatchEnableServices", "batch_enable_services", types.BatchEnableServicesRequest.pb()),
)


class UsageMethods:
    """Each method raises Refusal; a change is done when it is answered."""

    def __init__(self, enabled: Enabled) -> None:
        self._enabled = enabled

    async def get_service(self, request: Any) -> Any:
        return self._service(*_parsed(request.name))

    async def list_services(self, request: Any) -> Any:
        wanted = _state_in(request.filter)
        project = _project(request.parent)
        found = [self._service(project, api) for api in sorted(TITLES)]
        found = [one for one in found if wanted is None or one.state == wanted]
        begin = int(request.page_token or 0)
        size = min(request.page_size or MAX_PAGE, MAX_PAGE)
        token = str(begin + size) if len(found) > begin + size else ""
        return types.ListServicesResponse.pb()(
            services=found[begin : begin + size], next_page_token=token
        )

    async def batch_get_services(self, request: Any) -> Any:
        found = [self._service(*_parsed(name)) for name in request.names]
        return types.BatchGetServicesResponse.pb()(services=found)

    async def enable_service(self, request: Any) -> Any:
        project, api = _parsed(request.name)
        self._enabled.switch(project, api, True)
        return _done(types.EnableServiceResponse.pb()(service=self._service(project, api)))

    async def disable_service(self, request: Any) -> Any:
        project, api = _parsed(request.name)
        self._enabled.switch(project, api, False)
        return _done(types.DisableServiceResponse.pb()(service=self._service(project, api)))

    async def batch_enable_services(self, request: Any) -> Any:
        project = _project(request.parent)
        names = [_parsed(f"{project}/services/{api}") for api in request.service_ids]
        for _, api in names:
            self._enabled.switch(project, api, True)
        services = [self._service(project, api) for _, api in names]
        return _done(types.BatchEnableServicesResponse.pb()(services=services))

    def _service(self, project: str, api: str) -> Any:
        service = types.Service.pb()(
            name=f"projects/{project_number(project)}/services/{api}",
            parent=f"projects/{project_number(project)}",
            state=_State.ENABLED if self._enabled(project, api) else _State.DISABLED,
        )
        service.config.name = api
        service.config.title = TITLES[api]
        return service


def _project(parent: str) -> str:
    if not re.fullmatch(r"projects/[^/]+", parent):
        raise invalid(f"Invalid parent: {parent}. Expected projects/{{project}}.")
    return parent


def _parsed(name: str) -> tuple[str, str]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise invalid(f"Invalid service name: {name}.")
    if match[2] not in TITLES:
        raise Refusal(
            grpc.StatusCode.NOT_FOUND, f"Not found or permission denied for service(s): {match[2]}."
        )
    return f"projects/{match[1]}", match[2]


def _state_in(text: str) -> int | None:
    if not text:
        return None
    match = re.fullmatch(r"state:(ENABLED|DISABLED)", text)
    if match is None:
        raise invalid(f"Invalid filter: {text}. Allowed: state:ENABLED, state:DISABLED.")
    return int(getattr(_State, match[1]))


def _done(response: Any) -> Operation:
    packed = any_pb2.Any()
    packed.Pack(response)
    return Operation(name="operations/noop.DONE_OPERATION", done=True, response=packed)

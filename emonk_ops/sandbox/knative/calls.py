"""The v2 methods that the dialect calls, with the caller's own headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.duration_pb2 import Duration

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.rest.context import metadata_of
from emonk_ops.sandbox.rest.errors import RestError, rpc_error
from emonk_ops.sandbox.run.messages import Revision, Service, types

_SERVICES = "/google.cloud.run.v2.Services"
_REVISIONS = "/google.cloud.run.v2.Revisions"
_OPERATIONS = "/google.longrunning.Operations"
_PAGE = 1_000
_NOT_FOUND = 404
_WAIT_SECONDS = 30

Locations = Callable[[str], Iterable[str]]


class RunCalls:
    """Cloud Run v2 on behalf of one request. Raises RestError."""

    def __init__(self, calls: Calls, request: Request) -> None:
        self._calls = calls
        self._metadata = metadata_of(request)

    async def _call(self, method: str, request: Any) -> Any:
        return await self._calls.unary(method, request, self._metadata)

    async def service(self, name: str) -> Service:
        request = types.GetServiceRequest.pb()(name=name)
        return types.Service.wrap(await self._call(f"{_SERVICES}/GetService", request))

    async def service_in(self, project: str, locations: Iterable[str], identity: str) -> Service:
        """The service of that name in the first location that has it."""
        missing: RestError | None = None
        for location in locations:
            try:
                name = f"projects/{project}/locations/{location}/services/{identity}"
                return await self.service(name)
            except RestError as error:
                if error.http_status != _NOT_FOUND:
                    raise
                missing = error
        raise missing or _absent(f"service '{identity}'", project)

    async def services(self, parent: str) -> list[Service]:
        request = types.ListServicesRequest.pb()(parent=parent, page_size=_PAGE)
        found: list[Service] = []
        while True:
            page = await self._call(f"{_SERVICES}/ListServices", request)
            found.extend(types.Service.wrap(one) for one in page.services)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def revisions(self, parent: str) -> list[Revision]:
        request = types.ListRevisionsRequest.pb()(parent=parent, page_size=_PAGE)
        found: list[Revision] = []
        while True:
            page = await self._call(f"{_REVISIONS}/ListRevisions", request)
            found.extend(types.Revision.wrap(one) for one in page.revisions)
            request.page_token = page.next_page_token
            if not page.next_page_token:
                return found

    async def create(self, parent: str, identity: str, service: Service, dry: bool) -> Any:
        """The operation."""
        request = types.CreateServiceRequest.pb()(
            parent=parent, service_id=identity, validate_only=dry
        )
        request.service.CopyFrom(types.Service.pb(service))
        return await self._call(f"{_SERVICES}/CreateService", request)

    async def replace(self, service: Service, dry: bool) -> Any:
        """The operation."""
        request = types.UpdateServiceRequest.pb()(validate_only=dry)
        request.service.CopyFrom(types.Service.pb(service))
        return await self._call(f"{_SERVICES}/UpdateService", request)

    async def delete_service(self, name: str) -> None:
        request = types.DeleteServiceRequest.pb()(name=name)
        await self._call(f"{_SERVICES}/DeleteService", request)

    async def delete_revision(self, name: str) -> None:
        request = types.DeleteRevisionRequest.pb()(name=name)
        await self._call(f"{_REVISIONS}/DeleteRevision", request)

    async def operation(self, name: str) -> Any:
        request = operations_pb2.GetOperationRequest(name=name)
        return await self._call(f"{_OPERATIONS}/GetOperation", request)

    async def wait(self, name: str) -> Any:
        """The operation once it is done, or as it is after half a minute."""
        request = operations_pb2.WaitOperationRequest(
            name=name, timeout=Duration(seconds=_WAIT_SECONDS)
        )
        return await self._call(f"{_OPERATIONS}/WaitOperation", request)


def _absent(what: str, project: str) -> RestError:
    return rpc_error("NOT_FOUND", f"The project '{project}' has no {what}.")

"""The methods of Revisions and of long-running Operations."""

from __future__ import annotations

from typing import Any

from google.longrunning import operations_pb2
from google.protobuf.empty_pb2 import Empty

from emonk_ops.sandbox.run import traffic
from emonk_ops.sandbox.run.errors import not_found, revision_serves
from emonk_ops.sandbox.run.messages import types
from emonk_ops.sandbox.run.names import parse_revision, parse_service
from emonk_ops.sandbox.run.operations import OperationLog
from emonk_ops.sandbox.run.paging import page
from emonk_ops.sandbox.run.platform import Platform
from emonk_ops.sandbox.run.rollouts import packed
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.world import World

LONGEST_WAIT_SECONDS = 60.0


class RevisionMethods:
    """google.cloud.run.v2.Revisions."""

    def __init__(
        self, world: World, state: RunState, platform: Platform, operations: OperationLog
    ) -> None:
        self._world = world
        self._state = state
        self._platform = platform
        self._operations = operations

    async def get(self, request: Any) -> Any:
        parse_revision(request.name)
        revision = self._state.revision(request.name)
        if revision is None:
            raise not_found("Resource", request.name)
        return types.Revision.pb(revision)

    async def list(self, request: Any) -> Any:
        """Newest first, as the platform lists them; `-` is every service of the location."""
        parent, _, service = request.parent.rpartition("/services/")
        if service == "-":
            prefix = f"{parent}/services/"
        else:
            prefix = f"{parse_service(request.parent)}/revisions/"
        found = [types.Revision.pb(one) for one in self._state.revisions(prefix)]
        revisions, token = page(found, request.page_size, request.page_token)
        revisions.sort(key=lambda one: one.create_time.ToNanoseconds(), reverse=True)
        return types.ListRevisionsResponse.pb()(revisions=revisions, next_page_token=token)

    async def delete(self, request: Any) -> Any:
        name, identity = parse_revision(request.name)
        revision = self._state.revision(request.name)
        if revision is None:
            raise not_found("Resource", request.name)
        service = self._state.service(str(name))
        if service is not None and traffic.serves(service, identity):
            raise revision_serves(identity)
        if not request.validate_only:
            self._state.delete_revision(request.name)
            await self._platform.remove_revision(request.name)
        revision.delete_time = self._world.clock.now()
        return self._operations.done(name.parent, packed(revision))


class OperationMethods:
    """google.longrunning.Operations."""

    def __init__(self, operations: OperationLog) -> None:
        self._operations = operations

    async def get(self, request: Any) -> Any:
        return self._operations.get(request.name)

    async def wait(self, request: Any) -> Any:
        seconds = request.timeout.ToNanoseconds() / 1e9 or LONGEST_WAIT_SECONDS
        return await self._operations.wait(request.name, min(seconds, LONGEST_WAIT_SECONDS))

    async def list(self, request: Any) -> Any:
        found = self._operations.under(request.name)
        operations, token = page(found, request.page_size, request.page_token)
        return operations_pb2.ListOperationsResponse(operations=operations, next_page_token=token)

    async def delete(self, request: Any) -> Any:
        """Forgetting an operation stops nothing, as the API says; the sandbox keeps it."""
        self._operations.get(request.name)
        return Empty()

"""From what a service should be to what it is: new revision, readiness, traffic, conditions."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from google.protobuf.any_pb2 import Any as AnyMessage

from emonk_ops.sandbox.run import conditions
from emonk_ops.sandbox.run.errors import RolloutFailed
from emonk_ops.sandbox.run.messages import Revision, Service
from emonk_ops.sandbox.run.names import ServiceName, parse_service
from emonk_ops.sandbox.run.operations import OperationLog
from emonk_ops.sandbox.run.platform import Platform
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.run.traffic import resolve
from emonk_ops.sandbox.world import World


def packed(message: Service) -> AnyMessage:
    """A message as the detail of an operation."""
    detail = AnyMessage()
    detail.Pack(type(message).pb(message))
    return detail


class Rollouts:
    """One rollout of a service at a time; a later one waits for the one before."""

    def __init__(
        self, world: World, state: RunState, platform: Platform, operations: OperationLog
    ) -> None:
        self._world = world
        self._state = state
        self._platform = platform
        self._operations = operations
        self.restoring: set[str] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def begin(self, service: Service, coming: str, operation: str) -> asyncio.Task[None]:
        """Roll out the stored service; `coming` is its new revision's full name, or empty."""
        work = self._roll_out(service.name, coming, operation)
        return self._world.spawn(work, f"rollout of {service.name}")

    async def _roll_out(self, name: str, coming: str, operation: str) -> None:
        async with self._turns[name]:
            with self._world.clock.busy(f"rollout {name.rpartition('/')[2]}"):
                failure = await self._make_ready(name, coming) if coming else None
                service = await self._make_route(name, failure)
        if service is None:
            self._operations.fail(operation, 10, f"Service '{name}' was deleted meanwhile.")
        elif failure is not None:
            self._operations.fail(operation, failure.code, str(failure))
        else:
            self._operations.succeed(operation, packed(service))

    async def _make_ready(self, name: str, coming: str) -> RolloutFailed | None:
        revision = self._state.revision(coming)
        if revision is None:
            return RolloutFailed(5, f"Revision '{coming}' was deleted meanwhile.")
        failure: RolloutFailed | None = None
        try:
            await self._platform.bring_up(revision)
            self._settle(revision)
        except RolloutFailed as problem:
            failure = problem
            self._settle(revision, str(problem))
            self._platform.retire(coming)
        service = self._state.service(name)
        if service is not None and failure is None:
            service.latest_ready_revision = coming
            self._state.put_service(service)
        return failure

    def _settle(self, revision: Revision, message: str = "") -> None:
        state = conditions.FAILED if message else conditions.SUCCEEDED
        conditions.set_revision(revision, self._world.clock.now(), state, message)
        self._state.put_revision(revision)

    async def _make_route(self, name: str, failure: RolloutFailed | None) -> Service | None:
        """Move the traffic to where the service wants it, unless its newest revision failed:
        then the traffic stays where it is.
        """
        service = self._state.service(name)
        if service is None:
            return None
        if failure is None:
            await self._bring_up_targets(service)
            service.traffic_statuses = await self._platform.route(service)
        service.uri = (await self._platform.front(parse_service(name))).url
        service.urls = [service.uri]
        service.observed_generation = service.generation
        newest = conditions.SUCCEEDED if failure is None else conditions.FAILED
        conditions.set_service(
            service,
            self._world.clock.now(),
            configurations=newest,
            routes=conditions.SUCCEEDED if service.traffic_statuses else newest,
            message=str(failure) if failure else "",
        )
        self._state.put_service(service)
        return service

    async def _bring_up_targets(self, service: Service) -> None:
        """Have an instance ready wherever traffic is about to go and a minimum is asked for."""
        name = parse_service(service.name)
        for target, identity in resolve(service):
            revision = self._state.revision(name.revision(identity))
            if revision is None or not target.percent:
                continue
            if revision.scaling.min_instance_count and conditions.is_ready(revision):
                try:
                    await self._platform.bring_up(revision)
                except RolloutFailed as problem:
                    self._settle(revision, str(problem))

    async def restore(self, service: Service) -> None:
        """Take up a service after `up`: its front at once, where requests wait for the instances
        that are coming; then what a rollout had left undone.
        """
        self.restoring.add(service.name)
        try:
            async with self._turns[service.name]:
                await self._platform.route(service)
                coming = service.latest_created_revision if service.reconciling else ""
                failure = await self._make_ready(service.name, coming) if coming else None
                await self._make_route(service.name, failure)
        finally:
            self.restoring.discard(service.name)

    async def forget(self, name: ServiceName) -> None:
        """Stop everything of a service that was deleted, after a rollout that is going on."""
        async with self._turns[str(name)]:
            await self._platform.remove_service(name)

    def new_revision(self, revision: Revision) -> Revision:
        """Keep a revision that is about to be brought up."""
        state = conditions.RECONCILING
        conditions.set_revision(revision, self._world.clock.now(), state)
        self._state.put_revision(revision)
        return revision

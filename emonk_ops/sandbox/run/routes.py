"""Puts Cloud Run on the sandbox's gRPC server, and its faults on the control plane."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.longrunning import operations_pb2

from emonk_ops.sandbox.control_requests import Action
from emonk_ops.sandbox.iam.handlers import POLICY_METHODS, PolicyMethods
from emonk_ops.sandbox.knative.dialect import KnativeDialect
from emonk_ops.sandbox.rest.calls import Calls
from emonk_ops.sandbox.run.control import RunControl
from emonk_ops.sandbox.run.handlers import OperationMethods, RevisionMethods
from emonk_ops.sandbox.run.messages import types
from emonk_ops.sandbox.run.names import parse_service
from emonk_ops.sandbox.run.operations import OperationLog
from emonk_ops.sandbox.run.platform import Platform
from emonk_ops.sandbox.run.rollouts import Rollouts
from emonk_ops.sandbox.run.services import ServiceMethods
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.unary import serialized, serving
from emonk_ops.sandbox.world import World

Method = Callable[[Any], Awaitable[Any]]


class RunApi:
    """Cloud Run v2 of one world: services, revisions, operations, and the processes behind."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.state = RunState(world.store)
        self.platform = Platform(world, self.state)
        self._operations = OperationLog(self.state)
        self._rollouts = Rollouts(world, self.state, self.platform, self._operations)
        self.services = ServiceMethods(world, self.state, self._rollouts, self._operations)
        self._control = RunControl(world, self.state, self.platform, self._rollouts.restoring)
        self._restored: list[asyncio.Task[Any]] = []

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        services = self.services
        revisions = RevisionMethods(self._world, self.state, self.platform, self._operations)
        running = OperationMethods(self._operations)
        policies = self._policies()
        return [
            _handler(
                "google.cloud.run.v2.Services",
                ("CreateService", services.create, types.CreateServiceRequest.pb()),
                ("GetService", services.get, types.GetServiceRequest.pb()),
                ("ListServices", services.list, types.ListServicesRequest.pb()),
                ("UpdateService", services.update, types.UpdateServiceRequest.pb()),
                ("DeleteService", services.delete, types.DeleteServiceRequest.pb()),
                *policies,
            ),
            _handler(
                "google.cloud.run.v2.Revisions",
                ("GetRevision", revisions.get, types.GetRevisionRequest.pb()),
                ("ListRevisions", revisions.list, types.ListRevisionsRequest.pb()),
                ("DeleteRevision", revisions.delete, types.DeleteRevisionRequest.pb()),
            ),
            _handler(
                "google.longrunning.Operations",
                ("GetOperation", running.get, operations_pb2.GetOperationRequest),
                ("WaitOperation", running.wait, operations_pb2.WaitOperationRequest),
                ("ListOperations", running.list, operations_pb2.ListOperationsRequest),
                ("DeleteOperation", running.delete, operations_pb2.DeleteOperationRequest),
            ),
        ]

    def dialects(self, calls: Calls) -> KnativeDialect:
        """Knative v1, for gcloud, over the methods above."""
        return KnativeDialect(calls, self.state.locations)

    def _policies(self) -> list[tuple[str, Method, Any]]:
        """The IAM methods of a service, where this world has policies."""
        if self._world.policies is None or self._world.access is None:
            return []
        methods = PolicyMethods(self._world.policies, self._world.access)
        return [
            (name, _of_a_service(getattr(methods, attribute)), kind)
            for name, attribute, kind in POLICY_METHODS
        ]

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return self._control.actions()

    def describe(self) -> dict[str, Any]:
        """For `sandbox status`: services with their address, revisions and instances."""
        return self._control.describe()

    async def start(self) -> None:
        self.platform.start()
        self._operations.abandon_unfinished()
        for service in self.state.services():
            self._rollouts.restoring.add(service.name)
            task = self._world.spawn(self._rollouts.restore(service), f"restore {service.name}")
            self._restored.append(task)

    async def stop(self) -> None:
        for task in self._restored:
            task.cancel()
        await asyncio.gather(*self._restored, return_exceptions=True)
        await self.platform.stop()

    async def reset(self) -> None:
        """Stop every process and forget every service; the store is emptied by the caller."""
        await self.stop()
        for service in list(self.state.services()):
            self.state.delete_service(service.name)
        self.platform.start()


def register(world: World) -> RunApi:
    """The API of a world; `start` takes up the services that are in its store."""
    return RunApi(world)


def _handler(service: str, *methods: tuple[str, Method, Any]) -> grpc.GenericRpcHandler[Any, Any]:
    routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            serving(method),
            request_deserializer=request.FromString,
            response_serializer=serialized,
        )
        for name, method, request in methods
    }
    return grpc.method_handlers_generic_handler(service, routes)


def _of_a_service(method: Method) -> Method:
    async def checked(request: Any) -> Any:
        parse_service(request.resource)
        return await method(request)

    return checked

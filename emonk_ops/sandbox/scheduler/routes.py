"""Puts Cloud Scheduler on the sandbox's gRPC server."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.control_requests import Action
from emonk_ops.sandbox.scheduler.control import SchedulerControl
from emonk_ops.sandbox.scheduler.dispatch import Dispatcher
from emonk_ops.sandbox.scheduler.handlers import METHODS, SchedulerMethods
from emonk_ops.sandbox.scheduler.state import Jobs
from emonk_ops.sandbox.unary import unary_handler
from emonk_ops.sandbox.world import World

SERVICE = "google.cloud.scheduler.v1.CloudScheduler"


class SchedulerApi:
    """Cloud Scheduler of one world; `dispatcher` is there for the control plane."""

    def __init__(self, world: World) -> None:
        self._jobs = Jobs(world.store)
        self.dispatcher = Dispatcher(world, self._jobs)
        self._methods = SchedulerMethods(self._jobs, self.dispatcher, world.clock.now, world.rng)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        table = ((name, attribute, request) for name, attribute, request, _ in METHODS)
        return [unary_handler(SERVICE, self._methods, table)]

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return SchedulerControl(self._jobs, self.dispatcher).actions()

    async def start(self) -> None:
        self.dispatcher.start()

    async def stop(self) -> None:
        await self.dispatcher.stop()

    async def reset(self) -> None:
        """Forget every job."""
        await self.dispatcher.stop()
        for job in list(self._jobs.under()):
            self._jobs.delete(job.name)


def register(world: World) -> SchedulerApi:
    """The API of a world; call `start` inside its event loop."""
    return SchedulerApi(world)

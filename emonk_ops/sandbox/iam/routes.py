"""Puts Resource Manager on the sandbox's gRPC server, and identity on its control plane."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.control_requests import Action
from emonk_ops.sandbox.iam.access import Access
from emonk_ops.sandbox.iam.callers import Callers
from emonk_ops.sandbox.iam.control import IdentityControl
from emonk_ops.sandbox.iam.handlers import METHODS, ProjectMethods
from emonk_ops.sandbox.iam.policies import Policies
from emonk_ops.sandbox.iam.projects import default_policy
from emonk_ops.sandbox.unary import unary_handler
from emonk_ops.sandbox.world import World

SERVICE = "google.cloud.resourcemanager.v3.Projects"


class IamApi:
    """Policies and permissions of one world."""

    def __init__(self, world: World) -> None:
        self.policies = Policies(world.store, world.clock.now, default_policy)
        self.access = Access(self.policies, world.clock.now)
        self.callers = Callers(world.store)
        world.access, world.policies = self.access, self.policies
        self._methods = ProjectMethods(self.policies, self.access)
        self._control = IdentityControl(world, self.callers, self.policies)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        return [unary_handler(SERVICE, self._methods, METHODS)]

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return self._control.actions()

    async def start(self) -> None:
        """Nothing runs beside: conditions are evaluated when they are asked."""

    async def stop(self) -> None:
        """Everything is in the store."""

    async def reset(self) -> None:
        """Forget every policy; the store is emptied by the caller."""
        self.policies.reset()


def register(world: World) -> IamApi:
    """The API of a world; its guard stands before the methods of all the others."""
    return IamApi(world)

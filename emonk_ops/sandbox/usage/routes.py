"""Puts Service Usage on the sandbox's gRPC server."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.unary import unary_handler
from emonk_ops.sandbox.usage.handlers import METHODS, UsageMethods
from emonk_ops.sandbox.usage.state import Enabled
from emonk_ops.sandbox.world import World

SERVICE = "google.api.serviceusage.v1.ServiceUsage"


class UsageApi:
    """Service Usage of one world; `enabled` is asked before every method of the other APIs."""

    def __init__(self, world: World) -> None:
        self.enabled = Enabled(world.store)
        self._methods = UsageMethods(self.enabled)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        return [unary_handler(SERVICE, self._methods, METHODS)]

    async def start(self) -> None:
        """Nothing runs beside."""

    async def stop(self) -> None:
        """Everything is in the store."""

    async def reset(self) -> None:
        """Every API is enabled again; the store is emptied by the caller."""
        self.enabled.forget()


def register(world: World) -> UsageApi:
    """The API of a world."""
    return UsageApi(world)

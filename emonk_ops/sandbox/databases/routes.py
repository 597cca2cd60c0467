"""Puts Firestore Admin on the sandbox's gRPC server."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.databases.handlers import METHODS, DatabaseMethods
from emonk_ops.sandbox.unary import unary_handler
from emonk_ops.sandbox.world import World

SERVICE = "google.firestore.admin.v1.FirestoreAdmin"


class DatabasesApi:
    """Firestore Admin of one world."""

    def __init__(self, world: World) -> None:
        self.methods = DatabaseMethods(world.store, world.clock.now)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        return [unary_handler(SERVICE, self.methods, METHODS)]

    async def start(self) -> None:
        """Nothing runs beside."""

    async def stop(self) -> None:
        """Everything is in the store."""

    async def reset(self) -> None:
        """The store is emptied by the caller."""


def register(world: World) -> DatabasesApi:
    """The API of a world."""
    return DatabasesApi(world)

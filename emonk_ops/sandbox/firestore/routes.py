"""Puts Firestore on the sandbox's gRPC server."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.firestore.database import described
from emonk_ops.sandbox.firestore.disk import Disk
from emonk_ops.sandbox.firestore.handlers import FirestoreMethods
from emonk_ops.sandbox.firestore.listening import ListenRequest, ListenResponse
from emonk_ops.sandbox.firestore.state import Databases
from emonk_ops.sandbox.firestore.tables import METHODS, STREAMS
from emonk_ops.sandbox.unary import serving, streaming
from emonk_ops.sandbox.world import World

SERVICE = "google.firestore.v1.Firestore"


class FirestoreApi:
    """Firestore of one world: every project and database name is a store of its own."""

    def __init__(self, world: World) -> None:
        disk = Disk(world.store.connection)
        self._databases = Databases(disk, world.clock.now_nanoseconds, world.rng)
        self.methods = FirestoreMethods(self._databases, world.rng)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for name, attribute, request, response in METHODS:
            routes[name] = grpc.unary_unary_rpc_method_handler(
                serving(getattr(self.methods, attribute)),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
        for name, attribute, request, response in STREAMS:
            routes[name] = grpc.unary_stream_rpc_method_handler(
                streaming(getattr(self.methods, attribute)),
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
        routes["Listen"] = grpc.stream_stream_rpc_method_handler(
            streaming(self.methods.listen),
            request_deserializer=ListenRequest.FromString,
            response_serializer=ListenResponse.SerializeToString,
        )
        return [grpc.method_handlers_generic_handler(SERVICE, routes)]

    async def start(self) -> None:
        """Databases are read when they are first asked for."""

    async def stop(self) -> None:
        """Every commit that was answered is in the file."""

    async def reset(self) -> None:
        """Forget every document and transaction."""
        self._databases.clear()

    def describe(self) -> dict[str, Any]:
        return {"databases": [described(one) for one in self._databases.all()]}


def register(world: World) -> FirestoreApi:
    """The API of a world."""
    return FirestoreApi(world)

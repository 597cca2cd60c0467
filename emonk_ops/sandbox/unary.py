"""Methods of a service on the sandbox's gRPC server: raw requests in, raw answers out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NoReturn

import grpc

from emonk_ops.sandbox.refusal import Refusal


def unary_handler(
    service: str, methods: object, table: Iterable[tuple[str, str, Any]]
) -> grpc.GenericRpcHandler[Any, Any]:
    """The handler of `service`; each row names a method, its attribute and its request class."""
    routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            serving(getattr(methods, attribute)),
            request_deserializer=request.FromString,
            response_serializer=serialized,
        )
        for name, attribute, request in table
    }
    return grpc.method_handlers_generic_handler(service, routes)


def serialized(message: Any) -> bytes:
    """A raw message as gRPC sends it."""
    return bytes(message.SerializeToString())


def serving(method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    """The method as gRPC calls it; what it refuses ends the call with its status."""

    async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request)
        except Refusal as refusal:
            return await abort(refusal, context)

    return serve


def streaming(
    method: Callable[[Any], AsyncIterator[Any]],
) -> Callable[[Any, Any], AsyncIterator[Any]]:
    """As `serving`, for a method that answers with any number of messages."""

    async def serve(
        request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        try:
            async for response in method(request):
                yield response
        except Refusal as refusal:
            await abort(refusal, context)

    return serve


async def abort(refusal: Refusal, context: Any) -> NoReturn:
    """End a call with the status of the refusal, and its details where it has some."""
    trailers = (("grpc-status-details-bin", refusal.details),) if refusal.details else ()
    await context.abort(refusal.code, refusal.message, trailers)
    raise refusal  # gRPC has ended the call; who stands in for it may not have

"""Unary methods of a service on the sandbox's gRPC server: raw requests in, raw answers out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import grpc


def unary_handler(
    service: str, methods: object, table: Iterable[tuple[str, str, Any]]
) -> grpc.GenericRpcHandler[Any, Any]:
    """The handler of `service`; each row names a method, its attribute and its request class."""
    routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            _serving(getattr(methods, attribute)),
            request_deserializer=request.FromString,
            response_serializer=_serialize,
        )
        for name, attribute, request in table
    }
    return grpc.method_handlers_generic_handler(service, routes)


def _serialize(message: Any) -> bytes:
    return bytes(message.SerializeToString())


def _serving(method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request)
        except Exception as error:
            code = getattr(error, "code", None)
            if not isinstance(code, grpc.StatusCode):
                raise
            details = getattr(error, "details", b"")
            trailers = (("grpc-status-details-bin", details),) if details else ()
            return await context.abort(code, str(error), trailers)

    return serve

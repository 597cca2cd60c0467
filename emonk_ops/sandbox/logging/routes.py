"""Puts the Logging methods on the sandbox's gRPC server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, NoReturn

import grpc
from google.cloud.logging_v2 import types

from emonk_ops.sandbox.logging.errors import Refusal
from emonk_ops.sandbox.logging.handlers import LoggingMethods, methods_named
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.logging.tail import TailSessions

SERVICE = "google.logging.v2.LoggingServiceV2"


def logging_handlers(
    logs: LogStore, now: Callable[[], datetime]
) -> list[grpc.GenericRpcHandler[Any, Any]]:
    """The handlers of LoggingServiceV2 over a log store; `now` is the sandbox's clock."""
    methods = LoggingMethods(logs)
    routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            _unary(getattr(methods, attribute)),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
        for name, attribute, request, response in methods_named()
    }
    routes["TailLogEntries"] = grpc.stream_stream_rpc_method_handler(
        _tailing(TailSessions(logs, now)),
        request_deserializer=types.TailLogEntriesRequest.pb().FromString,
        response_serializer=types.TailLogEntriesResponse.pb().SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(SERVICE, routes)]


def _unary(method: Callable[[Any], Awaitable[Any]]) -> Callable[[Any, Any], Awaitable[Any]]:
    async def serve(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await method(request)
        except Refusal as refusal:
            await _abort(refusal, context)

    return serve


def _tailing(sessions: TailSessions) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def serve(
        requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        try:
            async for response in sessions.tail(aiter(requests)):
                yield response
        except Refusal as refusal:
            await _abort(refusal, context)

    return serve


async def _abort(refusal: Refusal, context: grpc.aio.ServicerContext[Any, Any]) -> NoReturn:
    trailers = (("grpc-status-details-bin", refusal.details),) if refusal.details else ()
    await context.abort(refusal.code, refusal.message, trailers)

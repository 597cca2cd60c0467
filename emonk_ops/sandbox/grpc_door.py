"""The gate on the gRPC wire."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from emonk_ops.sandbox.gate import Gate
from emonk_ops.sandbox.iam.callers import authorization_of
from emonk_ops.sandbox.refusal import Refusal
from emonk_ops.sandbox.unary import abort

Handler = Any  # grpc.RpcMethodHandler, which is generic to the type checker only
Context = Any


class Door(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # as above
    """Stands before the methods of one server; that of an account's own address names it."""

    def __init__(self, gate: Gate, account: str = "") -> None:
        self._gate = gate
        self._account = account
        self._guarded: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method: str = handler_call_details.method
        if method not in self._guarded:
            self._guarded[method] = self._wrapped(method, await continuation(handler_call_details))
        return self._guarded[method]

    def _wrapped(self, method: str, handler: Handler) -> Handler:
        if handler is None:
            return None
        codec = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary is not None:
            serve = self._unary(method, handler.unary_unary)
            return grpc.unary_unary_rpc_method_handler(serve, **codec)
        if handler.unary_stream is not None:
            serve = self._stream(method, handler.unary_stream)
            return grpc.unary_stream_rpc_method_handler(serve, **codec)
        if handler.stream_stream is not None:
            serve = self._streams(method, handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(serve, **codec)
        return handler

    def _unary(self, method: str, inner: Any) -> Any:
        async def serve(request: Any, context: Context) -> Any:
            try:
                return await self._gate.unary(
                    method, request, _authorization(context), self._account,
                    lambda: inner(request, context),
                )  # fmt: skip
            except Refusal as refusal:
                return await abort(refusal, context)

        return serve

    def _stream(self, method: str, inner: Any) -> Any:
        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            try:
                async for answer in self._gate.stream(
                    method, request, _authorization(context), self._account,
                    lambda: inner(request, context),
                ):  # fmt: skip
                    yield answer
            except Refusal as refusal:
                await abort(refusal, context)

        return serve

    def _streams(self, method: str, inner: Any) -> Any:
        async def serve(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            authorization = _authorization(context)
            admitted = self._gate.requests(method, requests, authorization, self._account)
            try:
                async for answer in inner(admitted, context):
                    yield answer
            except Refusal as refusal:
                await abort(refusal, context)

        return serve


def _authorization(context: Context) -> str:
    return authorization_of(context.invocation_metadata())

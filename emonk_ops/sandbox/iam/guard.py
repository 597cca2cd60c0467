"""Stands before every method: is its API enabled, and may this caller call it?"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc

from emonk_ops.sandbox.iam.access import Access, project_of
from emonk_ops.sandbox.iam.callers import Callers, authorization_of, current_caller
from emonk_ops.sandbox.iam.errors import Refusal, permission_denied, service_disabled
from emonk_ops.sandbox.iam.projects import project_number
from emonk_ops.sandbox.iam.required import REQUIRED, api_of, resource_of

Enabled = Callable[[str, str], bool]
Exists = Callable[[str, str], None]
DATA = "/google.firestore.v1.Firestore/"
Handler = Any  # grpc.RpcMethodHandler, which is generic to the type checker only


class Guard:
    """Both wires ask it before a method is called; a caller without identity may do everything."""

    def __init__(
        self, access: Access, callers: Callers, enabled: Enabled, exists: Exists | None = None
    ) -> None:
        self._access = access
        self._callers = callers
        self._enabled = enabled
        self._exists = exists

    def caller(self, authorization: str, door: str = "") -> str:
        """The caller's e-mail, "" for one without identity. Raises Refusal for a bad token."""
        return self._callers.caller(authorization, door)

    def admit(self, method: str, request: Any, email: str) -> None:
        """Raise Refusal when `/package.Service/Method` may not be called so."""
        required = REQUIRED.get(method)
        resource = resource_of(request, required.fields) if required is not None else ""
        current_caller.set(email)
        api = api_of(method)
        project = project_of(resource)
        if api is not None and project and not self._enabled(project, api[0]):
            raise service_disabled(*api, project.partition("/")[2], project_number(project))
        if required is None:
            return
        if email and not self._access.granted(email, required.permission, resource):
            raise permission_denied(required.permission, resource)
        if self._exists is not None and method.startswith(DATA):
            database = resource.split("/")
            if len(database) > 3:
                self._exists(project, database[3])


class Door(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # as above
    """The guard on the gRPC wire. A server of an account's own address names it as `account`."""

    def __init__(self, guard: Guard, account: str = "") -> None:
        self._guard = guard
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
            return grpc.unary_unary_rpc_method_handler(
                self._unary(method, handler.unary_unary), **codec
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._stream(method, handler.unary_stream), **codec
            )
        if handler.stream_stream is not None:
            return grpc.stream_stream_rpc_method_handler(
                self._streams(method, handler.stream_stream), **codec
            )
        return handler

    def _unary(self, method: str, inner: Any) -> Any:
        async def serve(request: Any, context: Any) -> Any:
            await self._ask(method, request, context)
            return await inner(request, context)

        return serve

    def _stream(self, method: str, inner: Any) -> Any:
        async def serve(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._ask(method, request, context)
            async for answer in inner(request, context):
                yield answer

        return serve

    def _streams(self, method: str, inner: Any) -> Any:
        async def serve(requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
            async for answer in inner(self._asking(method, requests, context), context):
                yield answer

        return serve

    async def _asking(
        self, method: str, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        first = True
        async for request in requests:
            if first:
                await self._ask(method, request, context)
                first = False
            yield request

    async def _ask(self, method: str, request: Any, context: Any) -> None:
        try:
            authorization = authorization_of(context.invocation_metadata())
            email = self._guard.caller(authorization, self._account)
            self._guard.admit(method, request, email)
        except Refusal as refusal:
            trailers = (("grpc-status-details-bin", refusal.details),) if refusal.details else ()
            await context.abort(refusal.code, refusal.message, trailers)

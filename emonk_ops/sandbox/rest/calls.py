"""Calls a method as the gRPC server would: through the interceptors, to the same handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc

from emonk_ops.sandbox.rest.context import RestContext
from emonk_ops.sandbox.rest.errors import unimplemented

Metadata = tuple[tuple[str, str], ...]
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


@dataclass(frozen=True)
class _Details(grpc.HandlerCallDetails):
    method: str
    invocation_metadata: Any


class Calls:
    """All handlers of the sandbox behind its interceptors."""

    def __init__(
        self,
        handlers: Sequence[grpc.GenericRpcHandler[Any, Any]],
        interceptors: Sequence[grpc.aio.ServerInterceptor[Any, Any]] = (),
    ) -> None:
        self._handlers = tuple(handlers)
        self._interceptors = tuple(interceptors)

    async def find(self, method: str, metadata: Metadata = ()) -> Handler | None:
        """The handler of /package.Service/Method, None when nothing serves it."""
        step: Callable[[grpc.HandlerCallDetails], Awaitable[Any]] = self._serving
        for interceptor in reversed(self._interceptors):
            step = _through(interceptor, step)
        found: Handler | None = await step(_Details(method, metadata))
        return found

    def serves(self, method: str) -> bool:
        return any(one.service(_Details(method, ())) is not None for one in self._handlers)

    def streams_requests(self, method: str) -> bool:
        """Whether a served method takes a stream, which HTTP/1.1 cannot carry."""
        found = [one.service(_Details(method, ())) for one in self._handlers]
        return any(one.request_streaming for one in found if one is not None)

    async def _serving(self, details: grpc.HandlerCallDetails) -> Handler | None:
        for handler in self._handlers:
            found = handler.service(details)
            if found is not None:
                return found
        return None

    async def unary(self, method: str, request: Any, metadata: Metadata = ()) -> Any:
        """The raw answer to a raw request; raises RestError, also for a method not served."""
        handler: Any = await self.find(method, metadata)
        if handler is None or handler.unary_unary is None:
            raise unimplemented(method)
        return raw(await handler.unary_unary(request, RestContext(metadata)))


def request_kind(handler: Any) -> Any:
    """The class of a handler's request message."""
    return type(handler.request_deserializer(b""))


def raw(message: Any) -> Any:
    """The protobuf message within a proto-plus one."""
    return getattr(message, "_pb", message)


def _through(
    interceptor: grpc.aio.ServerInterceptor[Any, Any], step: Callable[[Any], Awaitable[Any]]
) -> Callable[[Any], Awaitable[Any]]:
    async def next_step(details: grpc.HandlerCallDetails) -> Any:
        return await interceptor.intercept_service(step, details)

    return next_step

"""The last handler of the gRPC server: says by name which method is not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from emonk_ops.sandbox.rest.errors import unimplemented_words

if TYPE_CHECKING:
    _Base = grpc.GenericRpcHandler[Any, Any]  # generic in its stubs only
else:
    _Base = grpc.GenericRpcHandler


class UnservedMethods(_Base):
    """UNIMPLEMENTED with the name of the method, for the packages of which some is served."""

    def __init__(self, packages: Sequence[str]) -> None:
        self._packages = tuple(packages)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        method: str = handler_call_details.method
        if method.strip("/").rpartition("/")[0].rpartition(".")[0] not in self._packages:
            return None

        async def refuse(
            _requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[bytes]:
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, unimplemented_words(method))
            yield b""  # never reached: it makes this a stream, which interceptors may wrap

        # Streams both ways serve every kind of call.
        return grpc.stream_stream_rpc_method_handler(refuse)

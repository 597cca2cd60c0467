"""An address of its own for each service account: whoever calls there is that account."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import grpc

from emonk_ops.sandbox.gate import Gate
from emonk_ops.sandbox.grpc_door import Door

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


class Doors:
    """gRPC servers on loopback over the same methods, opened when first asked for."""

    def __init__(self, gate: Gate, handlers: Sequence[grpc.GenericRpcHandler[Any, Any]]) -> None:
        self._gate = gate
        self._handlers = tuple(handlers)
        self._open: dict[str, tuple[str, grpc.aio.Server]] = {}
        self._opening = asyncio.Lock()

    async def address(self, account: str) -> str:
        """host:port of the account's door."""
        async with self._opening:
            if account not in self._open:
                server = grpc.aio.server(
                    interceptors=[Door(self._gate, account)], options=list(OPTIONS)
                )
                server.add_generic_rpc_handlers(self._handlers)
                port = server.add_insecure_port("127.0.0.1:0")
                await server.start()
                self._open[account] = (f"127.0.0.1:{port}", server)
            return self._open[account][0]

    async def close(self) -> None:
        servers = [server for _, server in self._open.values()]
        self._open.clear()
        await asyncio.gather(*(server.stop(grace=0.2) for server in servers))

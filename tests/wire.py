"""The way between a service and its Firestore: what goes over it may be refused, lost or late."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import grpc

PASSED_ON = ("authorization", "google-cloud-resource-prefix")


@dataclass(frozen=True)
class Fault:
    """refuse (never arrives), lose (done, the answer is lost) or late (answered, then done).

    `seconds` pass before a late call is done.
    """

    kind: str
    code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    seconds: float = 0.0


class Wire(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # not subscriptable at run time
    """Stands between a service and a Firestore, and does to a call what it is told to.

    `to_lose` and `to_refuse` count by method what is still to be done, `nth` says which BatchWrite
    from now is to be lost or refused; `choose` may ask for more.
    """

    def __init__(
        self, upstream: str, choose: Callable[[str], Fault | None] = lambda method: None
    ) -> None:
        self.address = ""
        self.to_lose: Counter[str] = Counter()
        self.to_refuse: Counter[str] = Counter()
        self.nth = (0, "")
        self._choose = choose
        self._late: set[asyncio.Task[Any]] = set()
        self._channel = grpc.aio.insecure_channel(upstream)
        self._server = grpc.aio.server()
        self._server.add_generic_rpc_handlers((self,))

    async def open(self, port: int = 0) -> str:
        self.address = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"
        await self._server.start()
        return self.address

    async def close(self) -> None:
        await self._server.stop(0)
        for task in self._late:
            task.cancel()
        await asyncio.gather(*self._late, return_exceptions=True)
        await self._channel.close(grace=None)

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        method = details.method
        forward = self._channel.unary_stream(method, None, None)

        async def pass_on(request: bytes, context: Any) -> AsyncIterator[bytes]:
            metadata = [pair for pair in context.invocation_metadata() if pair[0] in PASSED_ON]

            async def answers() -> list[bytes]:
                return [one async for one in forward(request, timeout=10, metadata=metadata)]

            fault = self._fault(method.rpartition("/")[2])
            if fault is not None and fault.kind != "lose":
                if fault.kind == "late":
                    self._do_later(fault.seconds, answers)
                await context.abort(fault.code, "refused on the way")
            try:
                found = await answers()
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details())
            if fault is not None:
                await context.abort(fault.code, "lost on the way back")
            for answer in found:
                yield answer

        return grpc.unary_stream_rpc_method_handler(pass_on)

    def _fault(self, name: str) -> Fault | None:
        if name == "BatchWrite":
            self.nth = (self.nth[0] - 1, self.nth[1])
            if self.nth[0] == 0:
                (self.to_lose if self.nth[1] == "lost" else self.to_refuse)[name] = 1
        for kind, told in (("refuse", self.to_refuse), ("lose", self.to_lose)):
            if told[name] > 0:
                told[name] -= 1
                return Fault(kind)
        return self._choose(name)

    def _do_later(self, seconds: float, call: Callable[[], Any]) -> None:
        async def late() -> None:
            await asyncio.sleep(seconds)
            try:
                await call()
            except grpc.aio.AioRpcError:
                # Nobody is left to be told.
                return

        task = asyncio.create_task(late())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

"""One HTTP request to one instance, on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h11

from emonk_ops.sandbox.http_server import Headers, Request

_HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    )
)


class Disconnected(Exception):
    """The instance closed the connection, or spoke no HTTP, before its answer was whole."""


def end_to_end(headers: Headers) -> Headers:
    """Without the headers that belong to one connection only."""
    return [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]


class Exchange:
    """A connection is never used twice: a request that met a closing one could not be repeated
    safely, for nobody knows whether it was executed.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._h11 = h11.Connection(h11.CLIENT)
        self.status = 0
        self.headers: Headers = []

    @classmethod
    async def begin(cls, port: int, request: Request, extra: Headers) -> Exchange:
        """Send the request and read the answer's head; Disconnected when there is none."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError as problem:
            raise Disconnected(str(problem)) from problem
        exchange = cls(reader, writer)
        try:
            await exchange._send(request, extra)
        except BaseException:
            writer.close()
            raise
        return exchange

    async def _send(self, request: Request, extra: Headers) -> None:
        added = {name for name, _ in extra} | {b"content-length"}
        headers = [one for one in end_to_end(request.headers) if one[0] not in added]
        headers += extra
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            headers.append((b"content-length", str(len(request.body)).encode()))
        headers.append((b"connection", b"close"))
        head = h11.Request(method=request.method, target=request.target, headers=headers)
        data = self._h11.send(head) or b""
        if request.body:
            data += self._h11.send(h11.Data(data=request.body)) or b""
        data += self._h11.send(h11.EndOfMessage()) or b""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as problem:
            raise Disconnected(str(problem)) from problem
        event = await self._next()
        while isinstance(event, h11.InformationalResponse):
            event = await self._next()
        if not isinstance(event, h11.Response):
            raise Disconnected("the connection ended before the answer's head")
        self.status = event.status_code
        self.headers = [(name, value) for name, value in event.headers]

    async def _next(self) -> object:
        while True:
            try:
                event = self._h11.next_event()
                if event is not h11.NEED_DATA:
                    return event
                self._h11.receive_data(await self._reader.read(65_536))
            except (h11.RemoteProtocolError, OSError) as problem:
                raise Disconnected(str(problem)) from problem

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body as it comes; Disconnected when it is cut off."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise Disconnected("the connection ended within the answer")

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

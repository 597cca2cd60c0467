"""A small HTTP/1.1 server over h11: requests whole, answers whole or streamed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11

LARGEST_BODY = 32 * 1024 * 1024  # the platform's own limit for HTTP/1 requests
Headers = list[tuple[bytes, bytes]]
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """One request; header names are lower case, `target` is the path with its query."""

    method: str
    target: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """The first value of a header, or an empty string."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for key, value in self.headers if key == wanted), "")

    def json(self) -> Any:
        """The body as JSON; an empty body is an empty object. ValueError when it is neither."""
        return json.loads(self.body) if self.body else {}


@dataclass(frozen=True)
class Response:
    """What a handler answers; `stream` (if given) follows `body` and is closed by the server."""

    status: int = 200
    headers: Headers | None = None
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    sent: Callable[[], None] | None = None  # called once the answer left, or could not


def json_response(content: object, status: int = 200, headers: Headers | None = None) -> Response:
    fields = [(b"content-type", b"application/json"), *(headers or [])]
    return Response(status, fields, json.dumps(content).encode())


Handler = Callable[[Request], Awaitable[Response]]


class _Connection(asyncio.Protocol):
    """One client: reads a request, runs the handler, writes its answer, and again."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._h11 = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body = bytearray()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        self._writable.set()
        if self._task is not None and self._server.cancels_on_disconnect:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._h11.receive_data(data)
        self._read()

    def eof_received(self) -> bool:
        return False

    def _read(self) -> None:
        """Feed on what has arrived until a request is whole or more is needed."""
        while self._transport is not None:
            try:
                event = self._h11.next_event()
            except h11.RemoteProtocolError as problem:
                self._refuse(problem.error_status_hint, str(problem))
                return
            if isinstance(event, h11.Request):
                self._head, self._body = event, bytearray()
                if self._h11.they_are_waiting_for_100_continue:
                    self._write(h11.InformationalResponse(status_code=100, headers=[]))
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > LARGEST_BODY:
                    self._refuse(413, f"the body is larger than {LARGEST_BODY} bytes")
                    return
            elif isinstance(event, h11.EndOfMessage):
                self._begin()
            else:  # NEED_DATA, PAUSED or ConnectionClosed
                return

    def _begin(self) -> None:
        assert self._head is not None
        request = Request(
            self._head.method.decode(),
            self._head.target.decode("latin-1"),
            [(name, value) for name, value in self._head.headers],
            bytes(self._body),
        )
        self._task = asyncio.get_running_loop().create_task(self._answer(request))
        self._server.track(self._task)

    async def _answer(self, request: Request) -> None:
        response = Response(500, body=b"internal error\n")
        try:
            try:
                response = await self._server.handler(request)
            except Exception:
                _log.exception("the handler of %s %s failed", request.method, request.target)
            await self._send(request, response)
        finally:
            if response.sent is not None:
                response.sent()
            self._task = None
        if self._h11.our_state is h11.MUST_CLOSE or self._h11.our_state is h11.ERROR:
            self.close()
        elif self._transport is not None and self._h11.our_state is h11.DONE:
            self._h11.start_next_cycle()
            self._read()

    async def _send(self, request: Request, response: Response) -> None:
        if self._transport is None:
            return
        headers = list(response.headers or [])
        names = {name.lower() for name, _ in headers}
        if response.stream is None and b"content-length" not in names:
            headers.append((b"content-length", str(len(response.body)).encode()))
        try:
            reason = _REASONS.get(response.status, b"")
            head = h11.Response(status_code=response.status, headers=headers, reason=reason)
            self._write(head)
            bodiless = request.method == "HEAD" or response.status in (204, 304)
            if response.body and not bodiless:
                self._write(h11.Data(data=response.body))
            if response.stream is not None:
                async for chunk in response.stream:
                    await self._writable.wait()
                    self._write(h11.Data(data=chunk))
            self._write(h11.EndOfMessage())
        except h11.LocalProtocolError:
            self.close()

    def _write(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data and self._transport is not None:
            self._transport.write(data)

    def _refuse(self, status: int, reason: str) -> None:
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = reason.encode() + b"\n"
            fields = [("content-length", str(len(body))), ("connection", "close")]
            self._write(h11.Response(status_code=status, headers=fields))
            self._write(h11.Data(data=body))
            self._write(h11.EndOfMessage())
        self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class HttpServer:
    """Listens on one loopback port. With `cancels_on_disconnect`, a handler whose client went
    away is cancelled; without it the handler runs to its end, as on Cloud Run.
    """

    def __init__(self, handler: Handler, *, cancels_on_disconnect: bool = False) -> None:
        self.handler = handler
        self.cancels_on_disconnect = cancels_on_disconnect
        self.connections: set[_Connection] = set()
        self._running: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def track(self, task: asyncio.Task[None]) -> None:
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def listen(self, port: int = 0) -> int:
        """Bind 127.0.0.1 at `port`, or at a free one when that is 0; returns the port.

        Raises OSError when the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", port, backlog=512
        )
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening, drop the clients, cancel the handlers that still run."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()
        current = asyncio.current_task()
        running = [task for task in self._running if task is not current]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

"""The front of one service: its own loopback port, traffic split, request log."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from emonk_ops.sandbox.clock import Hold
from emonk_ops.sandbox.http_server import HttpServer, Request, Response
from emonk_ops.sandbox.run.instances import Instance
from emonk_ops.sandbox.run.invokers import Invokers
from emonk_ops.sandbox.run.log_entries import request_entry
from emonk_ops.sandbox.run.pool import NoInstance, RevisionPool
from emonk_ops.sandbox.run.upstream import Disconnected, Exchange, end_to_end
from emonk_ops.sandbox.world import HOLD_HEADER, World

# Answers whose length is stated and below this are read whole before they go on.
_READ_WHOLE = 1024 * 1024
_TEXTS = {
    429: "The request was aborted because there was no available instance.",
    503: "The request failed because either the HTTP response was malformed or connection to the"
    " instance had an error.",
    504: "The request has been terminated because it has reached the maximum request timeout."
    " To change this limit, see"
    " https://cloud.google.com/run/docs/configuring/request-timeout",
}
_NO_INSTANCE = "The request was aborted because there was no available instance."


@dataclass
class _Passage:
    """One request on its way: what its log entry will say."""

    request: Request
    pool: RevisionPool
    started: datetime
    trace: str
    span: str
    hold: Hold | None
    instance: Instance | None = None
    text: str = ""


class ServiceFront:
    """Splits requests over revisions by percent; a client that goes away stops nothing."""

    def __init__(self, world: World, service: str) -> None:
        self._world = world
        self._label = f"front {service}"
        self._split: list[tuple[int, RevisionPool]] = []
        self._server = HttpServer(self._dated)
        self._invokers: Invokers | None = None
        self.url = ""

    async def listen(self, port: int = 0) -> int:
        """Bind the port (0: a free one); OSError when it is taken."""
        bound = await self._server.listen(port)
        self.url = f"http://127.0.0.1:{bound}"
        return bound

    def route(self, split: list[tuple[int, RevisionPool]], invokers: Invokers) -> None:
        """New requests go by this split from now on; those in flight stay where they are."""
        self._invokers = invokers
        self._split = [(percent, pool) for percent, pool in split if percent > 0]

    async def close(self) -> None:
        await self._server.close()

    def _choose(self) -> RevisionPool | None:
        if len(self._split) == 1:
            return self._split[0][1]
        total = sum(percent for percent, _ in self._split)
        ticket = self._world.rng.random() * total
        for percent, pool in self._split:
            ticket -= percent
            if ticket < 0:
                return pool
        return None

    async def _dated(self, request: Request) -> Response:
        """The platform's own Date, by the sandbox's clock; an instance may run on another."""
        answer = await self._serve(request)
        date = format_datetime(self._world.clock.now(), usegmt=True).encode()
        headers = [one for one in answer.headers or [] if one[0].lower() != b"date"]
        return replace(answer, headers=[*headers, (b"date", date)])

    async def _serve(self, request: Request) -> Response:
        pool = self._choose()
        if pool is None:
            return _plain(503, "Service Unavailable")
        clock = self._world.clock
        passage = _Passage(
            request,
            pool,
            clock.now(),
            *_trace(request),
            hold=clock.hold(request.header(HOLD_HEADER)),
        )
        if self._invokers is not None and (refused := self._invokers.refusal(request)) is not None:
            passage.text = refused.text
            self._log(passage, refused.status, len(refused.response.body))
            return refused.response
        clock.add_activity(self._label, 1)
        if passage.hold is not None:
            passage.hold.suspend()
        try:
            passage.instance = await pool.acquire()
        except NoInstance as refusal:
            passage.text = _NO_INSTANCE
            self._log(passage, refusal.status, len(str(refusal)))
            return _plain(refusal.status, str(refusal))
        finally:
            if passage.instance is None and passage.hold is not None:
                passage.hold.resume()
            clock.add_activity(self._label, -1)
        return await self._within_timeout(passage)

    async def _within_timeout(self, passage: _Passage) -> Response:
        """The instance's answer, or 504 when the revision's request timeout (platform time) is
        over first. The instance goes on with a request that was given up, as on the platform.
        """
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Response] = loop.create_future()

        def give_up() -> None:
            if not answered.done():
                passage.text = _TEXTS[504]
                self._log(passage, 504, 0)
                if passage.hold is not None:
                    passage.hold.resume()
                answered.set_result(_plain(504, "upstream request timeout"))

        limit = passage.started + timedelta(seconds=passage.pool.spec.request_timeout)
        withdraw = self._world.clock.call_at(limit, give_up)
        self._world.spawn(self._exchange(passage, answered), f"request at {self.url}")
        try:
            return await answered
        finally:
            withdraw()

    async def _exchange(self, passage: _Passage, answered: asyncio.Future[Response]) -> None:
        """Ask the instance; the request counts as in flight until the instance is done with it."""
        instance = passage.instance
        assert instance is not None
        done = asyncio.Event()
        try:
            exchange = await Exchange.begin(instance.port, passage.request, _added(passage))
            try:
                await self._hand_over(passage, exchange, answered, done)
            finally:
                await exchange.close()
        except Disconnected:
            passage.text = _TEXTS[503]
            self._answer(passage, answered, _plain(503, "Service Unavailable"), 19)
        except BaseException:
            answered.cancel()
            raise
        finally:
            if passage.hold is not None:
                passage.hold.resume()
            passage.pool.release(instance)

    async def _hand_over(
        self,
        passage: _Passage,
        exchange: Exchange,
        answered: asyncio.Future[Response],
        done: asyncio.Event,
    ) -> None:
        headers = end_to_end(exchange.headers)
        stated = next((int(v) for k, v in headers if k == b"content-length"), None)
        body = exchange.body()
        if answered.done() or (stated is not None and stated <= _READ_WHOLE):
            whole = b"".join([chunk async for chunk in body])
            # The hold comes back before the request ends: between the two nothing is idle.
            response = Response(exchange.status, headers, whole)
            self._answer(passage, answered, response, len(whole))
            return
        size = [0]
        stream = _counted(body, size)
        answered.set_result(Response(exchange.status, headers, b"", stream, sent=done.set))
        await done.wait()
        self._log(passage, exchange.status, size[0])

    def _answer(
        self,
        passage: _Passage,
        answered: asyncio.Future[Response],
        response: Response,
        size: int,
    ) -> None:
        if not answered.done():
            self._log(passage, response.status, size)
            answered.set_result(response)

    def _log(self, passage: _Passage, status: int, response_size: int) -> None:
        now = self._world.clock.now()
        request = passage.request
        fields: dict[str, Any] = {
            "method": request.method,
            "url": f"{self.url}{request.target}",
            "request_size": len(request.body) + sum(len(k) + len(v) for k, v in request.headers),
            "response_size": response_size,
            "status": status,
            "user_agent": request.header("user-agent"),
            "latency": (now - passage.started).total_seconds(),
            "trace": passage.trace,
            "span": passage.span,
            "text": passage.text,
        }
        labels = passage.instance.labels if passage.instance else {}
        entry = request_entry(passage.pool.spec, fields, passage.started, labels)
        self._world.logs.write([entry])


async def _counted(body: AsyncIterator[bytes], size: list[int]) -> AsyncIterator[bytes]:
    async for chunk in body:
        size[0] += len(chunk)
        yield chunk


def _plain(status: int, text: str) -> Response:
    return Response(status, [(b"content-type", b"text/plain")], text.encode())


def _trace(request: Request) -> tuple[str, str]:
    """The trace the client named (W3C or Google's header), or a new one; and a new span."""
    span = secrets.token_hex(8)
    parts = request.header("traceparent").split("-")
    if len(parts) == 4 and len(parts[1]) == 32:
        return parts[1], span
    trace = request.header("x-cloud-trace-context").partition("/")[0]
    return (trace if len(trace) == 32 else secrets.token_hex(16)), span


def _added(passage: _Passage) -> list[tuple[bytes, bytes]]:
    """Headers that the platform puts on every request to a container."""
    trace, span = passage.trace, passage.span
    return [
        (b"x-cloud-trace-context", f"{trace}/{int(span, 16)};o=0".encode()),
        (b"traceparent", f"00-{trace}-{span}-00".encode()),
        (b"x-forwarded-for", b"127.0.0.1"),
        (b"x-forwarded-proto", b"https"),
        (b"forwarded", b"for=127.0.0.1;proto=https"),
    ]

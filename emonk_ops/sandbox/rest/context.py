"""A REST call as a gRPC handler sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import grpc

from emonk_ops.sandbox.http_server import Request
from emonk_ops.sandbox.rest.errors import aborted


class RestContext:
    """What handlers and interceptors use of `grpc.aio.ServicerContext`."""

    def __init__(self, metadata: Iterable[tuple[str, str]]) -> None:
        self._metadata = tuple(metadata)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Iterable[Any] = ()
    ) -> NoReturn:
        raise aborted(code, details, trailing_metadata)

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return self._metadata

    def peer(self) -> str:
        return "ipv4:127.0.0.1"

    def time_remaining(self) -> float | None:
        """HTTP has no deadline: the client goes away when its own is over."""
        return None

    async def send_initial_metadata(self, initial_metadata: Iterable[Any]) -> None:
        """Headers of an answer are the wire's own."""

    def set_trailing_metadata(self, trailing_metadata: Iterable[Any]) -> None:
        """HTTP/1.1 answers of this wire have no trailers."""


def metadata_of(request: Request) -> tuple[tuple[str, str], ...]:
    """HTTP headers are what gRPC calls metadata."""
    return tuple((name.decode(), value.decode("latin-1")) for name, value in request.headers)

"""Puts the Logging methods on the sandbox's gRPC server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import grpc
from google.cloud.logging_v2 import types

from emonk_ops.sandbox.control_requests import Action, fields_of
from emonk_ops.sandbox.control_requests import Refusal as ControlRefusal
from emonk_ops.sandbox.http_server import Request, Response, json_response
from emonk_ops.sandbox.logging.errors import FilterError, Refusal
from emonk_ops.sandbox.logging.handlers import LoggingMethods, methods_named
from emonk_ops.sandbox.logging.metrics import METHODS as METRICS_METHODS
from emonk_ops.sandbox.logging.metrics import SERVICE as METRICS_SERVICE
from emonk_ops.sandbox.logging.metrics import LogMetrics
from emonk_ops.sandbox.logging.planting import plant
from emonk_ops.sandbox.logging.quota import ReadQuota
from emonk_ops.sandbox.logging.store import LogStore
from emonk_ops.sandbox.logging.tail import TailSessions
from emonk_ops.sandbox.unary import abort, serving, unary_handler
from emonk_ops.sandbox.world import World

SERVICE = "google.logging.v2.LoggingServiceV2"


class LoggingApi:
    """Cloud Logging of one world."""

    def __init__(self, logs: LogStore, metrics: LogMetrics, now: Callable[[], datetime]) -> None:
        self._logs = logs
        self._metrics = metrics
        self._now = now
        self._quota = ReadQuota(now)

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return {
            ("POST", "/sandbox/logging/quota"): self._set_quota,
            ("POST", "/sandbox/logging/plant"): self._plant,
        }

    async def _plant(self, request: Request) -> Response:
        """The newest entry of `project` that matches `filter`, again with the fields of `set`."""
        asked = fields_of(request, "project", "filter", "set")
        try:
            planted = plant(self._logs, asked["project"], asked["filter"], asked["set"])
        except FilterError as problem:
            raise ControlRefusal(400, f"the filter cannot be read: {problem}") from None
        return json_response({"planted": planted})

    async def _set_quota(self, request: Request) -> Response:
        """`reads_per_minute` of a project; 0 is no limit, 60 the platform's."""
        limit = fields_of(request, "reads_per_minute")["reads_per_minute"]
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
            raise ControlRefusal(400, f"reads_per_minute must be a whole number, got {limit!r}")
        self._quota.set_limit(limit)
        return json_response({"reads_per_minute": limit})

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        return [
            *_handlers(self._logs, self._quota, self._now),
            unary_handler(METRICS_SERVICE, self._metrics, METRICS_METHODS),
        ]

    async def start(self) -> None:
        """Nothing runs beside: entries are stored as they are written."""

    async def stop(self) -> None:
        """Open tails end with the server."""

    async def reset(self) -> None:
        self._logs.clear()


def register(world: World) -> LoggingApi:
    """The API over the world's log store, which must be the one of this folder."""
    if not isinstance(world.logs, LogStore):
        raise TypeError(f"Cloud Logging needs sandbox.logging.store.LogStore, not {world.logs!r}")
    return LoggingApi(world.logs, LogMetrics(world.store, world.clock.now), world.clock.now)


def _handlers(
    logs: LogStore, quota: ReadQuota, now: Callable[[], datetime]
) -> list[grpc.GenericRpcHandler[Any, Any]]:
    methods = LoggingMethods(logs, quota)
    routes: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
        name: grpc.unary_unary_rpc_method_handler(
            serving(getattr(methods, attribute)),
            request_deserializer=request.FromString,
            response_serializer=response.SerializeToString,
        )
        for name, attribute, request, response in methods_named()
    }
    routes["TailLogEntries"] = grpc.stream_stream_rpc_method_handler(
        _tailing(TailSessions(logs, now)),
        request_deserializer=types.TailLogEntriesRequest.pb().FromString,
        response_serializer=types.TailLogEntriesResponse.pb().SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(SERVICE, routes)]


def _tailing(sessions: TailSessions) -> Callable[[Any, Any], AsyncIterator[Any]]:
    async def serve(
        requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        try:
            async for response in sessions.tail(aiter(requests)):
                yield response
        except Refusal as refusal:
            await abort(refusal, context)

    return serve

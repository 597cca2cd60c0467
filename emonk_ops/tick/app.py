"""The HTTP face of the service: health, ticks, chat and administration."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from emonk_ops.tick import logs
from emonk_ops.tick.admin import admin_routes
from emonk_ops.tick.auth import Unauthorized
from emonk_ops.tick.driver import Path
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.gates import may_tick
from emonk_ops.tick.instants import to_text
from emonk_ops.tick.service import TickService
from emonk_ops.tick.version import VERSION
from emonk_ops.tick.webhook import webhook_route


def application(service: TickService) -> Starlette:
    """An app of its own around the service."""
    return Starlette(routes=routes(service), lifespan=service.lifespan)


def routes(service: TickService) -> list[BaseRoute]:
    """The routes, to be mounted in any Starlette or FastAPI app that runs `service.lifespan`."""

    async def health(_request: Request) -> Response:
        return await service.clock.start(_health(service), name="health")

    async def tick(request: Request) -> Response:
        ticking = service.clock.start(_tick(service, request), name="cron-tick")
        # The request is as idle as its tick: while all handlers sleep, nobody is busy.
        await service.clock.wait([ticking])
        return ticking.result()

    return [
        Route("/health", health, methods=["GET"]),
        Route("/cron/tick", tick, methods=["POST"]),
        webhook_route(service),
        *admin_routes(service),
    ]


async def _health(service: TickService) -> Response:
    error = await _storage_error(service)
    settings, driver = service.settings, service.scheduler.engine.driver
    record = driver.record
    body: dict[str, Any] = {
        "status": "broken" if error else "ok",
        "service": settings.service or "emonk-agent",
        "version": VERSION,
        "revision": settings.revision,
        "instance": service.instance,
        "storage": {"kind": service.storage.kind, "ok": not error, "error": error or None},
        "driver": {
            "driver": None if record is None else record.driver,
            "epoch": 0 if record is None else record.epoch,
            "revision": None if record is None else record.revision,
            "role": driver.role,
        },
        "paths": {"legacy_loop": service.scheduler.loop_runs, "cron_tick": True},
        "legacy_code": service.scheduler.has_loop,
        "shadow": settings.shadow,
        "now": to_text(service.clock.now()),
    }
    return JSONResponse(body, status_code=503 if error else 200)


async def _storage_error(service: TickService) -> str:
    if not await service.open_storage():
        return service.storage_error
    try:
        await service.storage.ping()
        await service.scheduler.engine.driver.read()
    except StorageError as error:
        return str(error)
    return ""


async def _tick(service: TickService, request: Request) -> Response:
    try:
        await may_tick(service, request)
    except Unauthorized as error:
        service.log.warning(logs.TICK_REFUSED, reason=error.message)
        body = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
        return JSONResponse(body, status_code=401, headers={"WWW-Authenticate": "Bearer"})
    if not await service.open_storage():
        return JSONResponse(
            {"executed": False, "reason": service.storage_error, "poll_failed": True},
            status_code=503,
        )
    try:
        report = await service.scheduler.run_tick(Path.CRON)
    except Exception as error:
        service.log.error(logs.TICK_FAILED, error, path=Path.CRON.value)
        reason = f"{type(error).__name__}: {error}"
        return JSONResponse({"executed": False, "reason": reason}, status_code=500)
    return JSONResponse(report.to_dict(), status_code=503 if report.poll_failed else 200)

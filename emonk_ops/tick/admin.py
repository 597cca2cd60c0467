"""The admin API: jobs, their export and import, and who drives. For ADMIN_USERS only."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emonk_ops.tick.auth import Unauthorized
from emonk_ops.tick.carrying import export_jobs, import_jobs
from emonk_ops.tick.enqueueing import id_of
from emonk_ops.tick.errors import (
    DriverConflict,
    ImportRefused,
    InvalidJob,
    JobConflict,
    JobNotFound,
    StorageError,
    TickError,
)
from emonk_ops.tick.gates import may_administer
from emonk_ops.tick.instants import from_text
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.service import TickService

MOST_LISTED = 1000
LONGEST_QUIESCE_SECONDS = 3600.0
Action = Callable[[TickService, Request], Awaitable[tuple[int, dict[str, Any]]]]


def admin_routes(service: TickService) -> list[Route]:
    """Everything under /admin; each answers 404 while ADMIN_USERS is unset."""
    table: tuple[tuple[str, str, Action], ...] = (
        ("GET", "/admin/jobs", _list),
        ("POST", "/admin/jobs", _schedule),
        ("GET", "/admin/jobs/{id}", _show),
        ("DELETE", "/admin/jobs/{id}", _cancel),
        ("GET", "/admin/export", _export),
        ("POST", "/admin/import", _import),
        ("GET", "/admin/driver", _driver),
        ("POST", "/admin/driver", _activate),
        ("POST", "/admin/quiesce", _quiesce),
    )
    return [
        Route(path, _endpoint(service, action), methods=[method]) for method, path, action in table
    ]


def _endpoint(service: TickService, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await service.clock.start(_answer(service, request, action), name="admin")

    return endpoint


async def _answer(service: TickService, request: Request, action: Action) -> Response:
    if not service.settings.admin_users:
        return _refusal(404, TickError("there is no admin API here.", hint="Set ADMIN_USERS."))
    try:
        await may_administer(service, request)
        if not await service.open_storage():
            return _refusal(503, TickError(service.storage_error, code="storage"))
        status, body = await action(service, request)
        return JSONResponse(body, status_code=status)
    except TickError as error:
        return _refusal(_status(error), error)


def _status(error: TickError) -> int:
    match error:
        case Unauthorized():
            return 401
        case JobNotFound():
            return 404
        case JobConflict() | DriverConflict():
            return 409
        case ImportRefused(code="bad_checksum" | "bad_count"):
            return 409
        case StorageError():
            return 503
    return 400


def _refusal(status: int, error: TickError) -> Response:
    body = {"code": error.code, "message": error.message, "hint": error.hint}
    return JSONResponse({"error": body}, status_code=status)


async def _list(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= MOST_LISTED:
        raise InvalidJob(f"limit={text} is not a number from 1 to {MOST_LISTED}.")
    limit = int(text)
    page = await service.storage.list_jobs(limit + 1, request.query_params.get("after"))
    more = len(page) > limit
    jobs = [stored.job.to_dict() for stored in page[:limit]]
    return 200, {"jobs": jobs, "next": jobs[-1]["id"] if more else None}


async def _show(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    return 200, (await service.scheduler.job(request.path_params["id"])).to_dict()


async def _schedule(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    body = await _body(request)
    job_type = str(body.pop("type", ""))
    if not body.pop("allow_unknown", False):
        service.scheduler.engine.registry.get(job_type)
    payload = body.pop("payload", {})
    if not isinstance(payload, dict):
        raise InvalidJob("payload is not a JSON object.")
    key = body.get("dedup_key")
    known = [None] if key is None else await service.storage.get([id_of(key)])
    job = await service.scheduler.schedule_job(
        job_type=job_type,
        schedule=_schedule_of(body),
        payload=payload,
        job_id=body.pop("id", None),
        **body,
    )
    return 201 if known[0] is None else 200, job.to_dict()


def _schedule_of(body: dict[str, Any]) -> Schedule:
    at, schedule = body.pop("schedule_at", None), body.pop("schedule", None)
    if (at is None) == (schedule is None):
        raise InvalidJob("exactly one of schedule and schedule_at is needed.")
    if at is None:
        if not isinstance(schedule, dict):
            raise InvalidJob("schedule is not a JSON object.")
        return Schedule.from_dict(schedule)
    try:
        return Schedule.once(from_text(str(at), "schedule_at"))
    except ValueError as error:
        raise InvalidJob(f"schedule_at='{at}' is not an instant.") from error


async def _cancel(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    return 200, (await service.scheduler.cancel(request.path_params["id"])).to_dict()


async def _export(service: TickService, _request: Request) -> tuple[int, dict[str, Any]]:
    return 200, await export_jobs(service.storage)


async def _import(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    service.scheduler.engine.driver.put_off()
    return 200, await import_jobs(service.storage, await _body(request))


async def _driver(service: TickService, _request: Request) -> tuple[int, dict[str, Any]]:
    driver = service.scheduler.engine.driver
    record = await driver.read()
    return 200, {
        "driver": None if record is None else record.driver,
        "epoch": 0 if record is None else record.epoch,
        "revision": None if record is None else record.revision,
        "this_revision": driver.seat.revision,
        "role": driver.role,
        "live_leases": await service.storage.count_leases(),
        "running": service.scheduler.running_handlers,
    }


async def _activate(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    body = await _body(request)
    expected = _whole_number(body, "expected_epoch")
    at_least = _whole_number({"at_least": 0, **body}, "at_least")
    driver = service.scheduler.engine.driver
    await driver.activate(str(body.get("driver")), expected, at_least=at_least)
    return await _driver(service, request)


def _whole_number(body: dict[str, Any], name: str) -> int:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidJob(f"{name}={value!r} is not a whole number.")
    return value


async def _quiesce(service: TickService, request: Request) -> tuple[int, dict[str, Any]]:
    wait = (await _body(request)).get("wait_seconds", 0)
    if isinstance(wait, bool) or not isinstance(wait, int | float):
        raise InvalidJob(f"wait_seconds={wait!r} is not a number.")
    seconds = min(max(float(wait), 0.0), LONGEST_QUIESCE_SECONDS)
    before, record = await service.scheduler.engine.driver.quiesce()
    service.scheduler.stop_current()
    drained = await service.scheduler.drained(seconds)
    return 200, {
        "epoch": record.epoch,
        "driver_before": before,
        "drained": drained,
        "live_leases": await service.storage.count_leases(),
        "running": service.scheduler.running_handlers,
    }


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise InvalidJob(f"the body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidJob("the body is not a JSON object.")
    return body

"""Jobs by chat: `schedule`, `cancel` and `list`, from allowed users of Google Chat."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from emonk_ops.tick import logs
from emonk_ops.tick.auth import Unauthorized
from emonk_ops.tick.errors import InvalidJob, TickError
from emonk_ops.tick.gates import may_chat
from emonk_ops.tick.instants import from_text, maybe_text
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.service import TickService

LISTED = 20
USAGE = (
    "Write: schedule TYPE in 10m [json] | schedule TYPE at 2026-01-05T12:00:00Z [json] | "
    'schedule TYPE cron "*/5 * * * *" [json] | cancel ID | list'
)
_IN = re.compile(r"in\s+(\d+)\s*(s|m|h|d)\b\s*(.*)", re.DOTALL)
_AT = re.compile(r"at\s+(\S+)\s*(.*)", re.DOTALL)
_CRON = re.compile(r"cron\s+[\"“]([^\"”]+)[\"”]\s*(.*)", re.DOTALL)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def webhook_route(service: TickService) -> Route:
    """`POST /webhook`."""

    async def webhook(request: Request) -> Response:
        return await service.clock.start(_webhook(service, request), name="webhook")

    return Route("/webhook", webhook, methods=["POST"])


async def _webhook(service: TickService, request: Request) -> Response:
    sender, text = await _message(request)
    try:
        await may_chat(service, request, sender)
    except Unauthorized as error:
        service.log.warning(logs.WEBHOOK_REFUSED, reason=error.message)
        body = {"error": {"code": error.code, "message": "not allowed", "hint": ""}}
        return JSONResponse(body, status_code=401)
    if not await service.open_storage():
        return JSONResponse({"text": service.storage_error}, status_code=503)
    try:
        return JSONResponse({"text": await answer(service, text)})
    except TickError as error:
        return JSONResponse({"text": str(error)})


async def _message(request: Request) -> tuple[str, str]:
    """Sender and text of the body; empty where it is no such body, which nobody is let in for."""
    try:
        message = json.loads(await request.body())["message"]
        return str(message["sender"]["email"]), str(message.get("text", ""))
    except (ValueError, KeyError, TypeError):
        return "", ""


async def answer(service: TickService, text: str) -> str:
    """Do what the chat text says and tell it. Raises TickError with the usage."""
    verb, _, rest = text.strip().partition(" ")
    match verb.lower():
        case "schedule":
            return await _schedule(service, rest.strip())
        case "cancel" if rest.strip():
            job = await service.scheduler.cancel(rest.strip())
            return f"Cancelled {job.id}."
        case "list":
            return await _list(service)
    raise InvalidJob(f"'{text.strip()[:60]}' is not understood.", hint=USAGE)


async def _schedule(service: TickService, text: str) -> str:
    job_type, _, when = text.partition(" ")
    service.scheduler.engine.registry.get(job_type)
    schedule, tail = _when(when.strip(), await service.storage.clock())
    job = await service.scheduler.schedule_job(
        job_type=job_type, schedule=schedule, payload=_payload(tail)
    )
    return f"Scheduled {job.id}: {job.type} at {maybe_text(job.due_at)}."


def _when(text: str, now: datetime) -> tuple[Schedule, str]:
    if found := _IN.fullmatch(text):
        wait = timedelta(seconds=int(found[1]) * _SECONDS[found[2]])
        return Schedule.once(now + wait), found[3]
    if found := _CRON.fullmatch(text):
        return Schedule.from_dict({"cron": found[1]}), found[2]
    if found := _AT.fullmatch(text):
        try:
            return Schedule.once(from_text(found[1], "at")), found[2]
        except ValueError as error:
            raise InvalidJob(f"'{found[1]}' is not an instant.", hint=USAGE) from error
    raise InvalidJob(f"'{text[:60]}' does not say when.", hint=USAGE)


def _payload(text: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        payload = json.loads(text)
    except ValueError as error:
        raise InvalidJob(f"the payload is not JSON: {error}.", hint=USAGE) from error
    if not isinstance(payload, dict):
        raise InvalidJob("the payload is not a JSON object.", hint=USAGE)
    return payload


async def _list(service: TickService) -> str:
    stored = await service.storage.list_jobs(LISTED + 1)
    lines = [
        f"{one.job.id}: {one.job.type}, {one.job.state.value}, due {maybe_text(one.job.due_at)}"
        for one in stored[:LISTED]
    ]
    if len(stored) > LISTED:
        lines.append("and more; GET /admin/jobs lists them all")
    return "\n".join(lines) or "No jobs."

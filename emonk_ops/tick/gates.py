"""Who may pass each door of the service."""

from __future__ import annotations

from starlette.requests import Request

from emonk_ops.tick.auth import Unauthorized
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings_check import is_loopback


async def may_tick(service: TickService, request: Request) -> None:
    """Raise Unauthorized unless the invoker calls, or, without an audience, this machine."""
    settings = service.settings
    if settings.tick_audience:
        await service.verifier.identity(
            request.headers.get("authorization"),
            audience=settings.tick_audience,
            emails={settings.tick_invoker.lower()},
        )
    elif not (settings.local and loopback(request)):
        raise Unauthorized("without TICK_AUDIENCE only this machine may tick.")


async def may_administer(service: TickService, request: Request) -> str:
    """The administrator's e-mail. Raises Unauthorized."""
    return await service.verifier.identity(
        request.headers.get("authorization"),
        audience=service.settings.tick_audience,
        emails=service.settings.admin_users,
    )


async def may_chat(service: TickService, request: Request, sender: str) -> None:
    """Raise Unauthorized unless Google Chat calls, for somebody on the list."""
    settings = service.settings
    if settings.webhook_audience:
        await service.verifier.chat(
            request.headers.get("authorization"), audience=settings.webhook_audience
        )
    elif not (settings.local and loopback(request)):
        raise Unauthorized("without WEBHOOK_AUDIENCE nobody may chat.")
    if sender.lower() not in settings.webhook_users:
        raise Unauthorized("the sender is not among WEBHOOK_ALLOWED_USERS.")


def loopback(request: Request) -> bool:
    """Whether the caller is on this machine and nobody forwarded the call."""
    forwarded = "x-forwarded-for" in request.headers or "forwarded" in request.headers
    host = None if request.client is None else request.client.host
    return is_loopback(host) and not forwarded

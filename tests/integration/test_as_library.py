"""The routes inside somebody else's app, as a developer of jobs would mount them."""

from __future__ import annotations

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from emonk_ops.tick import HandlerContext, HandlerRegistry, TickService, routes
from emonk_ops.tick.settings import read_settings

pytestmark = pytest.mark.anyio


async def hello(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_the_routes_live_beside_those_of_another_app() -> None:
    registry, seen = HandlerRegistry(), []
    said: list[str] = []

    @registry.handler("greet")
    async def greet(context: HandlerContext) -> None:
        seen.append(context.payload["name"])

    registry.declare("greeting", type="greet", schedule={"every": 3600}, payload={"name": "all"})
    service = TickService(
        read_settings({"SCHEDULER_STORAGE": "memory"}), registry=registry, write=said.append
    )
    app = Starlette(routes=[Route("/hello", hello), *routes(service)], lifespan=service.lifespan)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://app", timeout=10) as http,
    ):
        assert (await http.get("/hello")).text == "hello"
        assert (await http.get("/health")).json()["status"] == "ok"
        await service.scheduler.schedule_job(
            job_type="greet", schedule_at=service.clock.now(), payload={"name": "you"}
        )
        assert (await http.post("/cron/tick")).json()["jobs_succeeded"] == 1
        assert (await service.scheduler.job("greeting")).declared
    assert seen == ["you"]

"""The integration tests of the small service."""

from __future__ import annotations

TEXT = '''\
"""POST /cron/tick of the whole service, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import httpx

import handlers  # noqa: F401  (registers the handlers and declares the jobs)
from emonk_ops.tick import TickService
from emonk_ops.tick.app import application
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

LOCAL = {"ENVIRONMENT": "local", "SCHEDULER_STORAGE": "memory", "SCHEDULER_HANDLERS": "handlers"}
QA = {
    **LOCAL,
    "ENVIRONMENT": "qa",
    "TICK_AUDIENCE": "https://service.example",
    "TICK_INVOKER": "ticker@project.iam.gserviceaccount.com",
}
Scenario = Callable[[httpx.AsyncClient, ManualClock], Awaitable[None]]


def play(scenario: Scenario, environment: Mapping[str, str] = LOCAL) -> None:
    async def whole() -> None:
        clock = ManualClock()
        service = TickService(
            read_settings(environment),
            clock=clock,
            storage=MemoryStorage(clock),
            write=lambda line: None,
        )
        transport = httpx.ASGITransport(application(service))
        async with (
            service.lifespan(),
            httpx.AsyncClient(transport=transport, base_url="http://service", timeout=5) as client,
        ):
            await scenario(client, clock)

    asyncio.run(whole())


def test_a_tick_answers_with_its_metrics() -> None:
    async def scenario(client: httpx.AsyncClient, clock: ManualClock) -> None:
        await clock.advance(timedelta(days=1).total_seconds())
        answer = await client.post("/cron/tick")
        assert answer.status_code == 200
        assert answer.json()["jobs_succeeded"] == 1

    play(scenario)


def test_two_ticks_at_once_run_the_job_once() -> None:
    async def scenario(client: httpx.AsyncClient, clock: ManualClock) -> None:
        await clock.advance(timedelta(days=1).total_seconds())
        answers = await asyncio.gather(client.post("/cron/tick"), client.post("/cron/tick"))
        assert sum(answer.json()["jobs_executed"] for answer in answers) == 1

    play(scenario)


def test_a_tick_without_a_token_is_refused() -> None:
    async def scenario(client: httpx.AsyncClient, clock: ManualClock) -> None:
        assert (await client.post("/cron/tick")).status_code == 401

    play(scenario, QA)


def test_the_service_is_healthy() -> None:
    async def scenario(client: httpx.AsyncClient, clock: ManualClock) -> None:
        answer = await client.get("/health")
        assert answer.status_code == 200
        assert answer.json()["storage"]["ok"]

    play(scenario)
'''

"""`POST /cron/tick` over HTTP: metrics, OIDC validation, and nothing executed twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from emonk_ops.tick.app import application
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio


class Tokens(Protocol):
    fetches: int

    def bearer(self, **claims: Any) -> dict[str, str]: ...

    def token(self, **claims: Any) -> str: ...


@dataclass
class Served:
    service: TickService
    http: httpx.AsyncClient
    lines: list[str]
    runs: list[HandlerContext]

    async def due(self, count: int = 1, job_type: str = "note") -> None:
        at = self.service.clock.now() - timedelta(seconds=1)
        for _ in range(count):
            await self.service.scheduler.schedule_job(job_type=job_type, schedule_at=at)

    async def tick(self, headers: Mapping[str, str]) -> httpx.Response:
        return await self.http.post("/cron/tick", headers=headers)


@asynccontextmanager
async def serve(
    environment: Mapping[str, str], client: tuple[str, int] = ("127.0.0.1", 1)
) -> AsyncIterator[Served]:
    lines: list[str] = []
    runs: list[HandlerContext] = []
    registry = HandlerRegistry()

    @registry.handler("note")
    async def note(context: HandlerContext) -> None:
        runs.append(context)
        await asyncio.sleep(0)

    service = TickService(read_settings(environment), registry=registry, write=lines.append)
    transport = httpx.ASGITransport(app=application(service), client=client)
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://service", timeout=10) as http,
    ):
        yield Served(service, http, lines, runs)


@pytest.fixture
async def served(environment: dict[str, str]) -> AsyncIterator[Served]:
    async with serve(environment) as served:
        yield served


# the endpoint


async def test_a_tick_answers_with_its_metrics(served: Served, signer: Tokens) -> None:
    await served.due(2)
    answer = await served.tick(signer.bearer())
    assert answer.status_code == 200
    report = TickReport.from_dict(answer.json())
    assert (report.jobs_checked, report.jobs_due, report.jobs_executed) == (2, 2, 2)
    assert (report.jobs_succeeded, report.jobs_failed) == (2, 0)
    assert (report.path, report.driver, report.epoch) == ("cron", "cloud", 1)
    assert answer.json() == json.loads(json.dumps(report.to_dict()))


async def test_the_log_of_a_tick_has_the_same_metrics_as_its_answer(
    served: Served, signer: Tokens
) -> None:
    await served.due()
    answer = (await served.tick(signer.bearer())).json()
    entries = [json.loads(line) for line in served.lines]
    (logged,) = [entry for entry in entries if entry["message"] == "Scheduler tick completed"]
    assert {name: logged[name] for name in answer} == answer
    assert (logged["severity"], logged["revision"]) == ("INFO", "r1")


async def test_a_tick_answers_only_to_post(served: Served, signer: Tokens) -> None:
    assert (await served.http.get("/cron/tick", headers=signer.bearer())).status_code == 405


async def test_a_tick_on_a_revision_that_does_not_drive_executes_nothing(
    environment: dict[str, str], signer: Tokens
) -> None:
    async with serve({**environment, "SCHEDULER_LEGACY_LOOP": "true"}) as served:
        await served.due()
        answer = await served.tick(signer.bearer())
    assert answer.status_code == 200
    body = answer.json()
    assert (body["executed"], body["reason"]) == (False, "not the driver")
    assert (body["driver"], body["epoch"], body["jobs_executed"]) == ("legacy", 1, 0)


async def test_a_tick_whose_storage_is_broken_answers_503_and_health_says_why(
    environment: dict[str, str], signer: Tokens, tmp_path: Path
) -> None:
    damaged = tmp_path / "jobs.jsonl"
    damaged.write_text("this is no job file\n")
    environment |= {"SCHEDULER_STORAGE": "json", "SCHEDULER_JSON_PATH": str(damaged)}
    async with serve(environment) as served:
        assert (await served.tick(signer.bearer())).status_code == 503
        health = await served.http.get("/health")
        assert health.status_code == 503
        assert (health.json()["status"], health.json()["storage"]["ok"]) == ("broken", False)
        assert "line 1" in health.json()["storage"]["error"]
        assert damaged.read_text() == "this is no job file\n"
        damaged.unlink()
        assert (await served.http.get("/health")).status_code == 200
        assert (await served.tick(signer.bearer())).status_code == 200


async def test_health_says_what_serves(served: Served) -> None:
    body = (await served.http.get("/health")).json()
    assert body["status"] == "ok"
    assert (body["service"], body["revision"]) == ("emonk-agent", "r1")
    assert body["storage"] == {"kind": "memory", "ok": True, "error": None}
    assert body["driver"] == {"driver": "cloud", "epoch": 1, "revision": "r1", "role": "driving"}
    assert (body["paths"], body["shadow"]) == ({"legacy_loop": False, "cron_tick": True}, False)


async def test_the_start_says_that_storage_and_agent_are_there(served: Served) -> None:
    messages = [json.loads(line)["message"] for line in served.lines]
    assert "Scheduler storage initialized" in messages
    assert "Agent Core created" in messages
    assert not [line for line in served.lines if '"ERROR"' in line]


# OIDC validation


async def test_without_a_token_the_answer_is_401_and_nothing_runs(served: Served) -> None:
    await served.due()
    answer = await served.tick({})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert served.runs == []


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://somebody-else.example"},
        {"iss": "https://accounts.evil.example"},
        {"email": "stranger@project.iam.gserviceaccount.com"},
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
        {"lifetime": -3600},
    ],
    ids=["audience", "issuer", "email", "unverified", "verified-as-text", "no-email", "expired"],
)
async def test_a_token_with_a_wrong_claim_is_refused(
    served: Served, signer: Tokens, claims: dict[str, Any]
) -> None:
    assert (await served.tick(signer.bearer(**claims))).status_code == 401


async def test_a_token_signed_by_somebody_else_is_refused(
    served: Served, signer: Tokens, stranger: Tokens
) -> None:
    assert (await served.tick(signer.bearer(sign_with=stranger))).status_code == 401


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Bearer a.b.c", "Basic YTpi", "Bearer ü"])
async def test_a_header_that_is_no_token_is_refused(served: Served, header: str) -> None:
    answer = await served.http.post("/cron/tick", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401


async def test_the_certificates_are_fetched_once_for_many_ticks(
    served: Served, signer: Tokens
) -> None:
    for _ in range(5):
        assert (await served.tick(signer.bearer())).status_code == 200
    assert signer.fetches == 1


async def test_certificates_that_cannot_be_fetched_refuse_and_do_not_crash(
    environment: dict[str, str], signer: Tokens
) -> None:
    async with serve({**environment, "OIDC_CERTS_URL": "http://127.0.0.1:9/none"}) as served:
        assert (await served.tick(signer.bearer())).status_code == 401


async def test_a_local_service_without_audience_takes_ticks_from_this_machine_only() -> None:
    local = {"SCHEDULER_STORAGE": "memory"}
    async with serve(local) as served:
        assert (await served.tick({})).status_code == 200
        assert (await served.tick({"X-Forwarded-For": "203.0.113.1"})).status_code == 401
    async with serve(local, client=("203.0.113.1", 1)) as served:
        assert (await served.tick({})).status_code == 401


# duplicate execution prevention


async def test_two_ticks_at_once_execute_each_job_once(served: Served, signer: Tokens) -> None:
    await served.due(60)
    answers = await asyncio.gather(*(served.tick(signer.bearer()) for _ in range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sum(answer.json()["jobs_succeeded"] for answer in answers) == 60
    keys = [run.idempotency_key for run in served.runs]
    assert len(keys) == len(set(keys)) == 60


async def test_two_services_on_one_job_file_execute_each_job_once(
    environment: dict[str, str], signer: Tokens, tmp_path: Path
) -> None:
    environment |= {"SCHEDULER_STORAGE": "json", "SCHEDULER_JSON_PATH": str(tmp_path / "j.jsonl")}
    async with serve(environment) as one, serve(environment) as two:
        await one.due(60)
        answers = await asyncio.gather(one.tick(signer.bearer()), two.tick(signer.bearer()))
        keys = [run.idempotency_key for run in one.runs + two.runs]
    assert sum(answer.json()["jobs_succeeded"] for answer in answers) == 60
    assert len(keys) == len(set(keys)) == 60


async def test_a_repeated_tick_executes_nothing_again(served: Served, signer: Tokens) -> None:
    await served.due(3)
    await served.tick(signer.bearer())
    assert (await served.tick(signer.bearer())).json()["jobs_executed"] == 0
    assert len(served.runs) == 3

"""The service on Firestore: how it starts, ticks, and says that it cannot reach its storage."""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from emonk_ops.tick.app import application
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import JobState
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage import Lock
from tests.wire import Wire

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["batch", "transaction"])
def firestore(request: pytest.FixtureRequest, firestore_address: str) -> dict[str, str]:
    return {
        "SCHEDULER_STORAGE": "firestore",
        "SCHEDULER_CLAIM_MODE": request.param,
        "VERTEX_AI_PROJECT_ID": f"test-{secrets.token_hex(6)}",
        "FIRESTORE_EMULATOR_HOST": firestore_address,
    }


@pytest.fixture
async def wire(firestore_address: str) -> AsyncIterator[Wire]:
    wire = Wire(firestore_address)
    yield wire
    await wire.close()


@asynccontextmanager
async def serve(
    environment: dict[str, str], runs: list[HandlerContext], lines: list[str]
) -> AsyncIterator[tuple[TickService, httpx.AsyncClient]]:
    registry = HandlerRegistry()

    @registry.handler("note")
    async def note(context: HandlerContext) -> None:
        runs.append(context)

    service = TickService(read_settings(environment), registry=registry, write=lines.append)
    transport = httpx.ASGITransport(application(service), client=("127.0.0.1", 1))
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        yield service, http


async def test_two_instances_share_the_jobs_and_run_each_once(firestore: dict[str, str]) -> None:
    runs: list[HandlerContext] = []
    lines: list[str] = []
    async with (
        serve(firestore, runs, lines) as (one, http),
        serve(firestore, runs, lines) as (two, other),
    ):
        at = await one.storage.clock() - timedelta(seconds=1)
        jobs = [
            await one.scheduler.schedule_job(job_type="note", schedule_at=at) for _ in range(30)
        ]
        reports = [(await client.post("/cron/tick")).json() for client in (http, other, http)]
        assert [report["poll_failed"] for report in reports] == [False] * 3
        assert sorted(run.job_id for run in runs) == sorted(job.id for job in jobs)
        assert {(await two.scheduler.job(job.id)).state for job in jobs} == {JobState.SUCCEEDED}
        health = (await other.get("/health")).json()
    assert health["storage"] == {"kind": "firestore", "ok": True, "error": None}


async def test_health_is_honest_about_a_firestore_that_cannot_be_reached() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        environment = {
            "SCHEDULER_STORAGE": "firestore",
            "GOOGLE_CLOUD_PROJECT": "test",
            "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{closed.getsockname()[1]}",
        }
        async with serve(environment, [], []) as (_, http):
            health = await http.get("/health")
            tick = await http.post("/cron/tick")
    assert health.status_code == 503
    assert "UNAVAILABLE" in health.json()["storage"]["error"]
    assert tick.status_code == 503


async def test_a_service_that_starts_before_its_firestore_serves_once_it_is_there(
    wire: Wire,
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {**behind(wire), "FIRESTORE_EMULATOR_HOST": f"127.0.0.1:{port}"}
    async with serve(environment, [], []) as (_, http):
        assert (await http.get("/health")).status_code == 503
        await wire.open(port)
        # Each asks several times; the connection comes back at its own pace.
        codes = [(await http.get("/health")).status_code for _ in range(4)]
        assert codes[-1] == 200
        assert (await http.post("/cron/tick")).json()["executed"]


@pytest.mark.parametrize("method", ["BatchWrite", "BatchGetDocuments", "RunQuery"])
@pytest.mark.parametrize("fault", ["lost", "refused"])
@pytest.mark.parametrize("key", [None, "k"])
async def test_a_fault_on_the_way_loses_no_job_and_runs_none_twice(
    wire: Wire, method: str, fault: str, key: str | None
) -> None:
    runs: list[HandlerContext] = []
    await wire.open()
    async with serve(behind(wire), runs, []) as (service, http):
        at = await service.storage.clock() - timedelta(seconds=1)
        options: dict[str, Any] = {"job_type": "note", "schedule_at": at, "concurrency_key": key}
        jobs = [await service.scheduler.schedule_job(**options) for _ in range(30)]
        faults = wire.to_lose if fault == "lost" else wire.to_refuse
        faults[method] = 1
        reports = [(await http.post("/cron/tick")).json() for _ in range(2)]
        found = [await service.scheduler.job(job.id) for job in jobs]
    assert faults[method] == 0
    assert sorted(run.job_id for run in runs) == sorted(job.id for job in jobs)
    assert {(job.state, job.fence) for job in found} == {(JobState.SUCCEEDED, 1)}
    assert sum(report["jobs_succeeded"] for report in reports) == 30
    assert not any(report["poll_failed"] for report in reports)


@pytest.mark.parametrize("fault", ["lost", "refused"])
@pytest.mark.parametrize("call", range(1, 5), ids=["lock", "claim", "result", "unlock"])
async def test_a_fault_at_any_step_of_a_keyed_job_neither_loses_it_nor_keeps_its_key(
    wire: Wire, call: int, fault: str
) -> None:
    runs: list[HandlerContext] = []
    await wire.open()
    async with serve(behind(wire), runs, []) as (service, http):
        at = await service.storage.clock() - timedelta(seconds=1)
        job = await service.scheduler.schedule_job(
            job_type="note", schedule_at=at, concurrency_key="k"
        )
        wire.nth = (call, fault)
        reports = [(await http.post("/cron/tick")).json() for _ in range(2)]
        found = await service.scheduler.job(job.id)
        rival = Lock("k", "rival", at + timedelta(hours=1))
        (free,) = await service.storage.lock([rival])
    assert wire.nth[0] < 0
    assert (len(runs), found.state, found.fence) == (1, JobState.SUCCEEDED, 1)
    assert sum(report["jobs_succeeded"] for report in reports) == 1
    # A key whose deletion was refused is busy until the lease ends.
    assert (free is None) == ((call, fault) == (4, "refused"))


async def test_a_result_whose_answer_was_lost_is_recorded_once(wire: Wire) -> None:
    class Losing(list[HandlerContext]):
        def append(self, run: HandlerContext) -> None:
            super().append(run)
            wire.to_lose["BatchWrite"] = 1 if len(self) == 1 else wire.to_lose["BatchWrite"]

    runs = Losing()
    await wire.open()
    async with serve(behind(wire), runs, []) as (service, http):
        at = await service.storage.clock() - timedelta(seconds=1)
        job = await service.scheduler.schedule_job(job_type="note", schedule_at=at)
        report = (await http.post("/cron/tick")).json()
        found = await service.scheduler.job(job.id)
    assert wire.to_lose["BatchWrite"] == 0
    assert (len(runs), report["jobs_succeeded"], report["stale_completion"]) == (1, 1, 0)
    assert [run.outcome for run in found.recent] == ["succeeded"]


async def test_a_commit_that_never_arrived_leaves_no_lock(wire: Wire) -> None:
    runs: list[HandlerContext] = []
    await wire.open()
    environment = {**behind(wire), "SCHEDULER_CLAIM_MODE": "transaction"}
    async with serve(environment, runs, []) as (service, http):
        at = await service.storage.clock() - timedelta(seconds=1)
        await service.scheduler.schedule_job(job_type="note", schedule_at=at)
        wire.to_refuse["Commit"] = 1
        reports = [(await http.post("/cron/tick")).json() for _ in range(2)]
    assert [report["jobs_succeeded"] for report in reports] == [0, 1]
    assert reports[1]["storage_errors"] == {}
    assert len(runs) == 1


async def test_a_job_whose_creation_was_refused_is_not_said_to_be_scheduled(wire: Wire) -> None:
    await wire.open()
    async with serve(behind(wire), [], []) as (service, _):
        at = await service.storage.clock()
        wire.to_refuse["BatchWrite"] = 1
        with pytest.raises(StorageError, match="refused on the way"):
            await service.scheduler.schedule_job(job_type="note", schedule_at=at)


async def test_a_change_of_driver_whose_answer_was_lost_is_known_to_be_made(wire: Wire) -> None:
    await wire.open()
    async with serve(behind(wire), [], []) as (service, _):
        wire.to_lose["BatchWrite"] = 1
        _, record = await service.scheduler.engine.driver.quiesce()
        assert record.driver == "nobody"
        assert await service.storage.driver() == record


def behind(wire: Wire) -> dict[str, str]:
    return {
        "SCHEDULER_STORAGE": "firestore",
        "VERTEX_AI_PROJECT_ID": f"test-{secrets.token_hex(6)}",
        "FIRESTORE_EMULATOR_HOST": wire.address,
    }


def test_no_google_library_is_loaded_for_json_storage() -> None:
    program = (
        "import sys; from emonk_ops.tick.service import TickService;"
        "TickService.from_environment({'SCHEDULER_STORAGE': 'json'});"
        "print([m for m in sys.modules if m.startswith(('grpc', 'google.cloud', 'google.api'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"

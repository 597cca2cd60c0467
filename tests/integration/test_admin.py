from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import httpx
import pytest

from emonk_ops.tick.app import application
from emonk_ops.tick.handlers import HandlerRegistry
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio
ADMIN = "admin@example.com"


class Tokens(Protocol):
    def bearer(self, **claims: Any) -> dict[str, str]: ...


class Client:
    """Calls a service as its administrator."""

    def __init__(self, service: TickService, http: httpx.AsyncClient, tokens: Tokens) -> None:
        self.service = service
        self.http = http
        self._headers = tokens.bearer(email=ADMIN)

    async def get(self, path: str, status: int = 200) -> dict[str, Any]:
        return await self._call("GET", path, status, None)

    async def post(self, path: str, body: Any, status: int = 200) -> dict[str, Any]:
        return await self._call("POST", path, status, body)

    async def delete(self, path: str, status: int = 200) -> dict[str, Any]:
        return await self._call("DELETE", path, status, None)

    async def _call(self, method: str, path: str, status: int, body: Any) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body, headers=self._headers)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found


@asynccontextmanager
async def serve(
    environment: Mapping[str, str], tokens: Tokens, clock: ManualClock | None = None
) -> AsyncIterator[Client]:
    said: list[str] = []
    service = TickService(
        read_settings(environment), clock=clock, registry=HandlerRegistry(), write=said.append
    )
    transport = httpx.ASGITransport(app=application(service))
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://service", timeout=10) as http,
    ):
        yield Client(service, http, tokens)


@pytest.fixture
async def admin(environment: dict[str, str], signer: Tokens) -> AsyncIterator[Client]:
    async with serve(environment, signer) as client:
        yield client


JOB = {"id": "one", "type": "log", "schedule": {"cron": "0 3 * * *", "tz": "Europe/Berlin"}}


async def test_only_administrators_get_in(admin: Client, signer: Tokens) -> None:
    assert (await admin.http.get("/admin/jobs")).status_code == 401
    assert (await admin.http.get("/admin/jobs", headers=signer.bearer())).status_code == 401
    assert (await admin.get("/admin/jobs"))["jobs"] == []


async def test_without_admin_users_there_is_no_admin_api(
    environment: dict[str, str], signer: Tokens
) -> None:
    async with serve({**environment, "ADMIN_USERS": ""}, signer) as admin:
        await admin.get("/admin/jobs", status=404)
        await admin.post("/admin/quiesce", {}, status=404)


async def test_a_job_is_scheduled_shown_listed_and_cancelled(admin: Client) -> None:
    made = await admin.post("/admin/jobs", JOB, status=201)
    assert (made["state"], made["schedule"]["tz"]) == ("scheduled", "Europe/Berlin")
    assert (await admin.get("/admin/jobs/one")) == made
    assert (await admin.get("/admin/jobs"))["jobs"] == [made]
    assert (await admin.delete("/admin/jobs/one"))["state"] == "cancelled"
    error = (await admin.get("/admin/jobs/none", status=404))["error"]
    assert "none" in error["message"]


async def test_jobs_are_listed_in_pages(admin: Client) -> None:
    for job_id in "cab":
        await admin.post("/admin/jobs", {**JOB, "id": job_id}, status=201)
    first = await admin.get("/admin/jobs?limit=2")
    assert ([job["id"] for job in first["jobs"]], first["next"]) == (["a", "b"], "b")
    rest = await admin.get("/admin/jobs?limit=2&after=b")
    assert ([job["id"] for job in rest["jobs"]], rest["next"]) == (["c"], None)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"type": "log"}, "schedule"),
        ({**JOB, "type": "nothing"}, "emonk_canary"),
        ({**JOB, "schedule": {"cron": "* * *"}}, "five"),
        ({**JOB, "id": "a/b"}, "id"),
        ({**JOB, "misfire": "perhaps"}, "run_all"),
        ({**JOB, "colour": "red"}, "colour"),
        ({"type": "log", "schedule_at": "2026-01-05T12:00:00"}, "time zone"),
        ({"type": "log", "schedule_at": "soon"}, "soon"),
        ([], "object"),
    ],
)
async def test_a_bad_job_is_refused_and_the_answer_says_why(
    admin: Client, body: Any, word: str
) -> None:
    error = (await admin.post("/admin/jobs", body, status=400))["error"]
    assert word in error["message"] + error["hint"]


async def test_an_id_is_taken_only_once(admin: Client) -> None:
    await admin.post("/admin/jobs", JOB, status=201)
    await admin.post("/admin/jobs", JOB, status=409)


async def test_a_dedup_key_used_again_gives_the_job_that_is_there(admin: Client) -> None:
    wanted = {"type": "log", "schedule_at": "2036-01-05T12:00:00Z", "dedup_key": "order 7"}
    made = await admin.post("/admin/jobs", wanted, status=201)
    assert await admin.post("/admin/jobs", wanted, status=200) == made
    other = {**wanted, "payload": {"a": 1}}
    error = (await admin.post("/admin/jobs", other, status=409))["error"]
    assert "another payload" in error["message"]
    await admin.post("/admin/jobs", {**wanted, "id": "mine"}, status=400)
    await admin.post("/admin/jobs", {**wanted, "dedup_key": 7}, status=400)


async def test_an_export_imported_elsewhere_gives_the_same_checksum(
    admin: Client, environment: dict[str, str], signer: Tokens
) -> None:
    for job_id in ("one", "two"):
        await admin.post("/admin/jobs", {**JOB, "id": job_id}, status=201)
    document = await admin.get("/admin/export")
    assert (document["format"], document["count"], document["held"]) == ("emonk-jobs/1", 2, [])
    async with serve({**environment, "K_REVISION": "r2"}, signer) as other:
        taken = await other.post("/admin/import", document)
        assert (taken["imported"], taken["checksum"]) == (2, document["checksum"])
        again = await other.post("/admin/import", document)
        assert (again["imported"], again["unchanged"], again["count"]) == (0, 2, 2)


async def test_a_changed_document_is_refused_whole(admin: Client) -> None:
    await admin.post("/admin/jobs", JOB, status=201)
    document = await admin.get("/admin/export")
    await admin.delete("/admin/jobs/one")
    document["jobs"][0]["payload"] = {"other": True}
    error = (await admin.post("/admin/import", document, status=409))["error"]
    assert error["code"] == "bad_checksum"
    assert (await admin.get("/admin/jobs/one"))["state"] == "cancelled"
    await admin.post("/admin/import", {"format": "else"}, status=400)


async def test_quiesce_ends_the_driving_and_can_be_repeated(admin: Client) -> None:
    first = await admin.post("/admin/quiesce", {"wait_seconds": 1})
    assert first == {
        "epoch": 2,
        "driver_before": "cloud",
        "drained": True,
        "live_leases": 0,
        "running": 0,
    }
    again = await admin.post("/admin/quiesce", {})
    assert (again["epoch"], again["driver_before"]) == (2, "nobody")
    seen = await admin.get("/admin/driver")
    assert (seen["driver"], seen["role"], seen["this_revision"]) == ("nobody", "quiesced", "r1")
    back = await admin.post("/admin/driver", {"driver": "cloud", "expected_epoch": 2})
    assert (back["driver"], back["epoch"], back["role"]) == ("cloud", 3, "driving")


async def test_the_driver_changes_only_from_the_expected_epoch(admin: Client) -> None:
    await admin.post("/admin/driver", {"driver": "cloud", "expected_epoch": 7}, status=409)
    await admin.post("/admin/driver", {"driver": "cloud"}, status=400)
    error = await admin.post("/admin/driver", {"driver": "me", "expected_epoch": 1}, status=400)
    assert "legacy" in error["error"]["hint"]
    await admin.post("/admin/driver", {"driver": "legacy", "expected_epoch": 1}, status=400)


async def test_quiesce_waits_for_a_running_handler_on_the_clock_of_the_jobs(
    environment: dict[str, str], signer: Tokens
) -> None:
    clock = ManualClock()
    async with serve(environment, signer, clock) as admin:
        await admin.service.scheduler.schedule_job(
            job_type="emonk_canary",
            schedule_at=clock.now(),
            payload={"run_id": "x", "duration_seconds": 20},
            job_id="canary",
        )
        tick = clock.start(admin.service.scheduler.run_tick())
        await clock.settle()
        at_once = await admin.post("/admin/quiesce", {"wait_seconds": 0})
        assert (at_once["drained"], at_once["running"], at_once["live_leases"]) == (False, 1, 1)
        assert (await admin.get("/admin/export"))["held"] == ["canary"]
        await clock.advance(20)
        assert tick.result().jobs_succeeded == 1
        done = await admin.post("/admin/quiesce", {"wait_seconds": 30})
        assert (done["drained"], done["live_leases"]) == (True, 0)


async def test_a_revision_in_standby_waits_for_its_jobs_and_then_drives_by_itself(
    environment: dict[str, str], signer: Tokens
) -> None:
    clock = ManualClock()
    environment["SCHEDULER_STANDBY_SECONDS"] = "100"
    async with serve(environment, signer, clock) as admin:
        assert (await admin.get("/admin/driver"))["role"] == "standby"
        await clock.advance(60)
        await admin.post("/admin/import", await admin.get("/admin/export"))
        await clock.advance(60)
        assert not (await admin.service.scheduler.run_tick()).executed
        await clock.advance(40)
        seen = await admin.get("/admin/driver")
        assert (seen["driver"], seen["epoch"], seen["role"]) == ("cloud", 1, "driving")

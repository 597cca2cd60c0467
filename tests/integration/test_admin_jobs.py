"""The admin API's doors to one job: pause, resume, release, facts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from emonk_ops.tick.app import application
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage import Lock
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio


class Admin:
    """A service whose one handler is held until it is let go."""

    def __init__(self, environment: dict[str, str], signer: Any) -> None:
        self.clock = ManualClock()
        self.go_on = asyncio.Event()
        registry = HandlerRegistry()

        @registry.handler("slow")
        async def slow(_context: HandlerContext) -> None:
            await self.go_on.wait()

        self.service = TickService(
            read_settings(environment),
            clock=self.clock,
            registry=registry,
            write=lambda _line: None,
        )
        self.headers = signer.bearer(email="admin@example.com")
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=application(self.service)), base_url="http://service"
        )

    async def call(self, method: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        answer = await self.http.request(method, path, json=body, headers=self.headers)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def claimed(self) -> asyncio.Task[Any]:
        """A job `one` that runs, and the tick that runs it."""
        wanted = {"id": "one", "type": "slow", "schedule": {"every": 60}, "concurrency_key": "k"}
        await self.call("POST", "/admin/jobs", 201, **wanted)
        await self.clock.advance(60)
        tick = asyncio.create_task(self.service.scheduler.run_tick())
        for _ in range(50):
            await asyncio.sleep(0)
        return tick


@pytest.fixture
async def admin(environment: dict[str, str], signer: Any) -> AsyncIterator[Admin]:
    admin = Admin(environment, signer)
    async with admin.service.lifespan(), admin.http:
        yield admin


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/admin/jobs/one/pause"),
        ("POST", "/admin/jobs/one/resume"),
        ("POST", "/admin/jobs/one/release"),
        ("GET", "/admin/jobs/one/facts"),
    ],
)
async def test_only_administrators_get_in_and_an_unknown_job_is_not_found(
    admin: Admin, method: str, path: str
) -> None:
    assert (await admin.http.request(method, path)).status_code == 401
    refusal = await admin.call(method, path, 404)
    assert refusal["error"]["code"] == "not_found"


async def test_a_live_lease_is_kept_unless_forced_with_a_reason(admin: Admin) -> None:
    tick = await admin.claimed()
    other = Lock("k", "another", admin.clock.now() + timedelta(seconds=60))
    assert await admin.service.storage.lock([other]) == (None,)
    for body in ({}, {"force": True}, {"force": True, "reason": ""}, {"reason": "no force"}):
        refusal = await admin.call("POST", "/admin/jobs/one/release", 409, **body)
        assert refusal["error"]["code"] == "leased"
        assert "held by r1/" in refusal["error"]["message"]
        assert "2026-01-05T12:06:00Z (fence 1)" in refusal["error"]["message"]
    admin.go_on.set()
    assert (await tick).jobs_succeeded == 1


async def test_a_forced_release_makes_the_late_result_stale(admin: Admin) -> None:
    tick = await admin.claimed()
    answer = await admin.call("POST", "/admin/jobs/one/release", force=True, reason="stuck")
    assert answer["released"] is True
    assert (answer["lease"]["live"], answer["lease"]["fence"]) == (True, 1)
    assert (answer["job"]["state"], answer["job"]["lease_id"]) == ("scheduled", None)
    assert answer["job"]["fence"] == 2
    assert answer["job"]["recent"][-1]["reason"] == "released by hand: stuck"
    other = Lock("k", "another", admin.clock.now() + timedelta(seconds=60))
    assert (await admin.service.storage.lock([other]))[0] is not None, "the key is still busy"
    admin.go_on.set()
    report = await tick
    assert report.stale_completion == 1
    job = await admin.call("GET", "/admin/jobs/one")
    assert job["counts"]["released"] == 1


async def test_an_expired_lease_goes_without_force_and_again_says_already_so(admin: Admin) -> None:
    tick = await admin.claimed()
    admin.clock.leap(301)
    answer = await admin.call("POST", "/admin/jobs/one/release", reason="its process died")
    assert (answer["released"], answer["lease"]["live"]) == (True, False)
    assert answer["job"]["fence"] == 1
    again = await admin.call("POST", "/admin/jobs/one/release")
    assert (again["released"], again["lease"]) == (False, None)
    admin.go_on.set()
    await tick


async def test_a_release_says_what_is_wrong_with_its_body(admin: Admin) -> None:
    refusal = await admin.call("POST", "/admin/jobs/one/release", 400, force="yes")
    assert refusal["error"]["code"] == "invalid_job"


async def test_a_job_is_paused_and_resumed_and_both_again(admin: Admin) -> None:
    await admin.call("POST", "/admin/jobs", 201, id="p", type="slow", schedule={"every": 60})
    for _ in range(2):
        job = await admin.call("POST", "/admin/jobs/p/pause")
        assert (job["paused"], job["state"], job["due_at"]) == (True, "paused", None)
    for _ in range(2):
        job = await admin.call("POST", "/admin/jobs/p/resume")
        assert (job["paused"], job["state"], job["due_at"]) == (False, "scheduled", job["slot"])


async def test_a_job_that_has_ended_is_not_woken_by_pause_and_resume(admin: Admin) -> None:
    await admin.call("POST", "/admin/jobs", 201, id="c", type="slow", schedule={"every": 60})
    await admin.call("DELETE", "/admin/jobs/c")
    await admin.call("POST", "/admin/jobs/c/pause", 409)
    job = await admin.call("POST", "/admin/jobs/c/resume")
    assert (job["state"], job["due_at"]) == ("cancelled", None)


async def test_the_facts_are_of_one_moment(admin: Admin) -> None:
    await admin.call(
        "POST", "/admin/jobs", 201, id="x", type="new", schedule={"every": 60}, allow_unknown=True
    )
    facts = await admin.call("GET", "/admin/jobs/x/facts")
    assert facts["job"]["id"] == "x"
    assert (facts["known_type"], facts["driver"], facts["role"]) == (False, "cloud", "driving")
    assert (facts["this_revision"], facts["driver_revision"], facts["epoch"]) == ("r1", "r1", 1)
    assert facts["now"] == "2026-01-05T12:00:00Z"

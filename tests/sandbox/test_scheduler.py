from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import scheduler_v1
from google.cloud.logging_v2.types import LogEntry

from emonk_ops.sandbox.clock import Hold
from emonk_ops.sandbox.server import Sandbox
from emonk_ops.sandbox.world import HOLD_HEADER

START = datetime(2026, 1, 5, 10, 0, 30, tzinfo=UTC)
PARENT = "projects/emonk-qa/locations/us-central1"
NAME = f"{PARENT}/jobs/emonk-agent-tick"
STATE = scheduler_v1.Job.State


class Target:
    """A server of the caller's own that answers as told and remembers what it was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.silent = False
        self.location = ""
        self.sandbox: Sandbox | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cron/tick"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            values = dict(line.split(": ", 1) for line in head[1:] if line)
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.requests.append((head[0], {k.lower(): v for k, v in values.items()}, body))
            if self.silent:
                self.hold_of(headers).suspend()
                await reader.read()
            status = self.statuses.pop(0) if self.statuses else 200
            moved = f"Location: {self.location}\r\n" if 300 <= status < 400 else ""
            ends = "Content-Length: 0\r\nConnection: close\r\n\r\n"
            writer.write(f"HTTP/1.1 {status} X\r\n{moved}{ends}".encode())
            await writer.drain()
        writer.close()

    def hold_of(self, headers: dict[str, str]) -> Hold:
        assert self.sandbox is not None
        hold = self.sandbox.world.clock.hold(headers[HOLD_HEADER])
        assert hold is not None
        return hold


class Scene:
    """A sandbox with Scheduler and Logging, Google's client on it, and a target."""

    def __init__(self, sandbox: Sandbox, target: Target) -> None:
        self.sandbox = sandbox
        self.target = target
        self.channel = grpc.aio.insecure_channel(sandbox.world.grpc_address)
        transport = scheduler_v1.CloudSchedulerAsyncClient.get_transport_class("grpc_asyncio")
        self.client: Any = scheduler_v1.CloudSchedulerAsyncClient(
            transport=transport(channel=self.channel)
        )

    async def create(self, **fields: Any) -> Any:
        job = {"name": NAME, "schedule": "*/5 * * * *", "http_target": {"uri": self.target.url}}
        return await self.client.create_job(parent=PARENT, job=job | fields, timeout=5)

    async def get(self) -> Any:
        return await self.client.get_job(name=NAME, timeout=5, retry=None)

    async def until(self, **later: float) -> None:
        await self.sandbox.world.clock.wait_until(START + timedelta(**later))

    def log(self) -> list[dict[str, Any]]:
        logs: Any = self.sandbox.world.logs
        return [
            LogEntry.to_dict(LogEntry.deserialize(e.SerializeToString()))
            for e in logs.query(
                ["emonk-qa"], 'log_id("cloudscheduler.googleapis.com/executions")', limit=1000
            )
        ]


@contextlib.asynccontextmanager
async def scene(directory: Path, *, start: datetime | None = START) -> AsyncIterator[Scene]:
    target = Target()
    async with (
        await asyncio.start_server(target.serve, "127.0.0.1", 0) as server,
        Sandbox(
            directory, clock="virtual", start=start, populate=False, apis=("logging", "scheduler")
        ) as sandbox,
    ):
        target.port = server.sockets[0].getsockname()[1]
        target.sandbox = sandbox
        stage = Scene(sandbox, target)
        async with stage.channel:
            yield stage


Play = Callable[[Scene], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Play], None]:
    def run(what: Play) -> None:
        async def whole() -> None:
            async with scene(tmp_path) as stage:
                await what(stage)

        asyncio.run(whole())

    return run


def test_a_new_job_gets_the_platform_s_defaults(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        job = await stage.create()
        assert job.state == STATE.ENABLED
        assert job.time_zone == "UTC"
        assert job.http_target.http_method == scheduler_v1.HttpMethod.POST
        assert job.attempt_deadline == timedelta(minutes=3)
        assert job.retry_config.retry_count == 0
        assert job.retry_config.min_backoff_duration == timedelta(seconds=5)
        assert job.retry_config.max_backoff_duration == timedelta(hours=1)
        assert job.retry_config.max_doublings == 5
        first = START.replace(minute=5, second=0)
        assert first < job.schedule_time <= first + timedelta(seconds=0.3)
        assert "last_attempt_time" not in job
        assert [j.name async for j in await stage.client.list_jobs(parent=PARENT)] == [NAME]

    play(story)


def test_a_job_runs_at_each_slot_with_the_platform_s_headers(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        account = "emonk-scheduler@emonk-qa.iam.gserviceaccount.com"
        await stage.create(
            http_target={
                "uri": stage.target.url,
                "body": b"{}",
                "headers": {"X-Mine": "yes", "User-Agent": "mine", "X-Google-Own": "no"},
                "oidc_token": {"service_account_email": account},
            }
        )
        await stage.until(hours=1)
        assert len(stage.target.requests) == 12
        line, headers, body = stage.target.requests[0]
        assert line == "POST /cron/tick HTTP/1.1"
        assert body == b"{}"
        assert headers["x-mine"] == "yes"
        assert "x-google-own" not in headers
        assert headers["content-type"] == "application/octet-stream"
        assert headers["user-agent"] == "Google-Cloud-Scheduler"
        assert headers["x-cloudscheduler"] == "true"
        assert headers["x-cloudscheduler-jobname"] == "emonk-agent-tick"
        assert headers["x-cloudscheduler-scheduletime"] == "2026-01-05T10:05:00Z"
        claims = json.loads(urlsafe_b64decode(headers["authorization"].split(".")[1] + "=="))
        assert claims["email"] == account
        assert claims["aud"] == stage.target.url
        job = await stage.get()
        assert job.status.code == 0
        assert job.last_attempt_time > START + timedelta(minutes=59)

    play(story)


def test_an_execution_leaves_two_log_entries(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.create()
        stage.target.statuses = [200, 401]
        await stage.until(minutes=10)
        begun, ended, _, refused = stage.log()
        assert begun["resource"]["type"] == "cloud_scheduler_job"
        assert begun["resource"]["labels"] == {
            "project_id": "emonk-qa",
            "location": "us-central1",
            "job_id": "emonk-agent-tick",
        }
        assert begun["json_payload"]["@type"].endswith(".AttemptStarted")
        assert begun["json_payload"]["scheduledTime"].startswith("2026-01-05T10:05:00.")
        assert ended["http_request"]["status"] == 200
        assert "status" not in ended["json_payload"]
        assert ended["json_payload"]["debugInfo"].startswith("URL_CRAWLED.")
        assert refused["json_payload"]["status"] == "UNAUTHENTICATED"
        assert refused["severity"] == 500
        assert (await stage.get()).status.code == 16

    play(story)


def test_a_paused_job_rests_until_it_is_resumed(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.create()
        assert (await stage.client.pause_job(name=NAME)).state == STATE.PAUSED
        await stage.until(hours=1)
        assert stage.target.requests == []
        with pytest.raises(exceptions.FailedPrecondition, match="must be ENABLED, but it is PAUSE"):
            await stage.client.pause_job(name=NAME)
        resumed = await stage.client.resume_job(name=NAME)
        assert resumed.schedule_time > START + timedelta(hours=1)
        with pytest.raises(exceptions.FailedPrecondition, match="must be PAUSED"):
            await stage.client.resume_job(name=NAME)
        await stage.until(hours=1, minutes=5)
        assert len(stage.target.requests) == 1

    play(story)


def test_a_forced_run_goes_out_although_the_job_runs_or_is_paused(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        await stage.create(attempt_deadline=timedelta(seconds=15))
        await stage.client.pause_job(name=NAME)
        stage.target.silent = True
        for _ in range(2):
            await stage.client.run_job(name=NAME)
        await stage.until(seconds=10)
        assert len(stage.target.requests) == 2
        assert (await stage.get()).state == STATE.PAUSED

    play(story)


def test_no_answer_by_the_deadline_is_deadline_exceeded_and_slots_meanwhile_are_skipped(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        await stage.create(schedule="* * * * *", attempt_deadline=timedelta(seconds=150))
        stage.target.silent = True
        await stage.until(minutes=2)
        assert len(stage.target.requests) == 1
        await stage.until(minutes=3, seconds=5)
        assert (await stage.get()).status.code == 4
        assert stage.log()[-1]["json_payload"]["status"] == "DEADLINE_EXCEEDED"
        await stage.until(minutes=3, seconds=35)
        slots = [
            headers["x-cloudscheduler-scheduletime"][11:16]
            for _, headers, _ in stage.target.requests
        ]
        assert slots == ["10:01", "10:04"]

    play(story)


def test_failures_are_retried_with_backoff_as_configured(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.create(
            schedule="0 * * * *",
            retry_config={
                "retry_count": 3,
                "min_backoff_duration": timedelta(seconds=10),
                "max_doublings": 1,
            },
        )
        stage.target.statuses = [500, 503, 404, 200]
        await stage.until(hours=1, minutes=5)
        began = [e["timestamp"] for e in stage.log() if "scheduledTime" in e["json_payload"]]
        times = [datetime.fromisoformat(t) for t in began]
        pauses = [round((b - a).total_seconds()) for a, b in pairwise(times)]
        assert pauses == [10, 20, 40]
        said = [e["json_payload"].get("status") for e in stage.log()[1::2]]
        assert said == ["INTERNAL", "UNAVAILABLE", "NOT_FOUND", None]
        assert (await stage.get()).status.code == 0

    play(story)


def test_redirects_are_followed_and_a_foreign_target_is_never_called(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        await stage.create()
        stage.target.statuses, stage.target.location = [302, 200], "/elsewhere"
        await stage.until(minutes=5)
        assert [line for line, _, _ in stage.target.requests][1] == "GET /elsewhere HTTP/1.1"
        foreign = {"name": NAME, "http_target": {"uri": "https://service.example.com/tick"}}
        await stage.client.update_job(
            job=foreign, update_mask={"paths": ["http_target.uri"]}, timeout=5
        )
        await stage.until(minutes=10)
        info = stage.log()[-1]["json_payload"]["debugInfo"]
        assert info.startswith("URL_UNREACHABLE")
        assert "service.example.com was not called" in info
        assert (await stage.get()).status.code == 14

    play(story)


def test_an_update_changes_what_its_mask_names_and_moves_the_next_slot(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        await stage.create(description="before")
        update: Any = {"name": NAME, "schedule": "0 12 * * *", "time_zone": "Europe/Paris"}
        changed = await stage.client.update_job(
            job=update, update_mask={"paths": ["schedule", "time_zone"]}
        )
        assert changed.description == "before"
        assert changed.http_target.uri == stage.target.url
        assert changed.schedule_time.replace(microsecond=0) == datetime(2026, 1, 5, 11, tzinfo=UTC)
        await stage.client.pause_job(name=NAME)
        update = {
            "name": NAME,
            "schedule": "* * * * *",
            "http_target": {"uri": stage.target.url},
        }
        changed = await stage.client.update_job(job=update)
        assert changed.state == STATE.PAUSED
        assert changed.description == ""
        with pytest.raises(exceptions.InvalidArgument, match="Invalid mask for Job: timeZone"):
            await stage.client.update_job(job=update, update_mask={"paths": ["timeZone"]})
        with pytest.raises(exceptions.InvalidArgument, match="Invalid mask for Job: state"):
            await stage.client.update_job(job=update, update_mask={"paths": ["state"]})

    play(story)


def test_a_mask_reaches_into_the_target(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        account = {"service_account_email": "a@emonk-qa.iam.gserviceaccount.com"}
        target = {"uri": stage.target.url, "headers": {"x-a": "1"}, "oidc_token": account}
        await stage.create(http_target=target)
        aimed = {"oidc_token": account | {"audience": "https://aud"}, "headers": {"x-b": "2"}}
        changed = await stage.client.update_job(
            job={"name": NAME, "http_target": aimed},
            update_mask={"paths": ["http_target.oidc_token.audience", "http_target.headers"]},
        )
        assert changed.http_target.uri == stage.target.url
        assert changed.http_target.oidc_token.audience == "https://aud"
        assert dict(changed.http_target.headers) == {"x-b": "2"}
        for path in ("http_target.nothing", "retry_config.retry_count.deeper", ""):
            with pytest.raises(exceptions.InvalidArgument, match="Invalid mask for Job"):
                await stage.client.update_job(
                    job={"name": NAME, "http_target": aimed}, update_mask={"paths": [path]}
                )

    play(story)


def test_jobs_outlive_the_sandbox_and_missed_slots_are_not_made_up(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await stage.create()
            await stage.until(minutes=10)
            assert len(stage.target.requests) == 2
        later = START + timedelta(hours=5)
        async with scene(tmp_path, start=later) as stage:
            job = await stage.get()
            assert job.state == STATE.ENABLED
            assert job.last_attempt_time < START + timedelta(minutes=10)
            update = {"name": NAME, "http_target": {"uri": stage.target.url}}
            await stage.client.update_job(job=update, update_mask={"paths": ["http_target"]})
            await stage.until(hours=5, minutes=5)
            assert len(stage.target.requests) == 1
            await stage.sandbox.apis["scheduler"].reset()
            with pytest.raises(exceptions.NotFound):
                await stage.get()

    asyncio.run(story())


def test_the_dispatch_offset_can_be_set(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        api: Any = stage.sandbox.apis["scheduler"]
        with pytest.raises(ValueError, match="low <= high"):
            api.dispatcher.set_offset(5, 1)
        api.dispatcher.set_offset(5, 5.6)
        job = await stage.create()
        slot = START.replace(minute=5, second=0)
        assert timedelta(seconds=5) <= job.schedule_time - slot <= timedelta(seconds=5.6)
        await stage.until(minutes=4, seconds=33)
        assert stage.target.requests == []
        await stage.until(minutes=4, seconds=36)
        assert len(stage.target.requests) == 1

    play(story)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "emonk-agent-tick"}, "Job name must be formatted"),
        ({"name": f"{PARENT}/jobs/with blank"}, "Job name must be formatted"),
        ({"name": NAME.replace("qa", "production")}, "must start with the parent"),
        ({"schedule": ""}, "Schedule or time zone is invalid."),
        ({"schedule": "* * * *"}, "Schedule or time zone is invalid."),
        ({"schedule": "60 * * * *"}, "Schedule or time zone is invalid."),
        ({"time_zone": "Mars/Olympus"}, "Schedule or time zone is invalid."),
        ({"http_target": {"uri": "ftp://127.0.0.1/x"}}, "HttpTarget.uri is invalid"),
        ({"http_target": {"uri": "/cron/tick"}}, "HttpTarget.uri is invalid"),
        ({"http_target": None}, "Job target must be set"),
        ({"attempt_deadline": timedelta(seconds=14)}, "between 15s and 1800s"),
        ({"attempt_deadline": timedelta(minutes=31)}, "between 15s and 1800s"),
        ({"retry_config": {"retry_count": 6}}, "between 0 and 5"),
        ({"description": "x" * 501}, "longer than 500"),
    ],
)
def test_a_bad_job_is_refused_in_the_platform_s_words(
    play: Callable[[Play], None], fields: dict[str, Any], said: str
) -> None:
    async def story(stage: Scene) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            await stage.create(**fields)
        assert said in str(caught.value)

    play(story)


def test_what_is_not_there_or_there_already_is_said(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        for call in (stage.client.get_job, stage.client.delete_job, stage.client.run_job):
            with pytest.raises(exceptions.NotFound, match="Job not found"):
                await call(name=NAME, timeout=5, retry=None)
        await stage.create()
        with pytest.raises(exceptions.AlreadyExists, match=f"Job {NAME} already exists"):
            await stage.create()
        await stage.client.delete_job(name=NAME)
        await stage.until(minutes=30)
        assert stage.target.requests == []
        with pytest.raises(exceptions.MethodNotImplemented, match="App Engine cron syntax"):
            await stage.create(schedule="every 5 minutes")
        with pytest.raises(exceptions.MethodNotImplemented, match="pubsub_target"):
            await stage.create(http_target=None, pubsub_target={"topic_name": "t"})

    play(story)


def test_jobs_are_listed_in_pages(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        for number in range(5):
            await stage.create(name=f"{NAME}-{number}")
        pager = await stage.client.list_jobs(request={"parent": PARENT, "page_size": 2})
        sizes = [len(page.jobs) async for page in pager.pages]
        assert sizes == [2, 2, 1]

    play(story)

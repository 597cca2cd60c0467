from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.tick.errors import InvalidJob, InvalidSchedule, UnknownHandler
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry, load_handlers
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.stock_handlers import STOCK
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def note(_context: HandlerContext) -> None:
    return


async def other(_context: HandlerContext) -> None:
    return


def test_two_handlers_of_one_type_are_refused() -> None:
    registry = HandlerRegistry()
    registry.handler("a")(note)
    registry.handler("a")(note)
    with pytest.raises(InvalidJob, match="two handlers for 'a'"):
        registry.handler("a")(other)


def test_a_function_that_is_not_async_is_refused() -> None:
    def plain(_context: HandlerContext) -> Any:
        return None

    with pytest.raises(InvalidJob, match="async"):
        HandlerRegistry().handler("a")(plain)


def test_an_unknown_type_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownHandler, match="emonk_canary, http, log"):
        STOCK.get("nothing")


def test_a_declared_job_needs_a_schedule_that_can_be() -> None:
    with pytest.raises(InvalidSchedule):
        HandlerRegistry().declare("a", type="log", schedule={"cron": "never"})


def test_a_module_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_jobs.py").write_text("import no_such_thing\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(UnknownHandler, match=r"half_jobs .*no_such_thing"):
        load_handlers("half_jobs")


@dataclass
class Target:
    """A web address that remembers its calls and answers as told."""

    url: str = ""
    status: int = 200
    calls: list[tuple[dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            target.calls.append((dict(self.headers), json.loads(body)))
            self.send_response(target.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    target.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield target
    server.shutdown()
    server.server_close()
    thread.join()


async def run(
    job_type: str, payload: dict[str, Any], advance: float = 0
) -> tuple[TickReport, CronScheduler, list[dict[str, Any]]]:
    clock, lines = ManualClock(), list[str]()
    scheduler = CronScheduler(
        MemoryStorage(clock), clock=clock, log=Log(clock, lines.append), registry=STOCK
    )
    await scheduler.engine.driver.begin()
    at = clock.now() - timedelta(seconds=1)
    await scheduler.schedule_job(job_type=job_type, schedule_at=at, payload=payload, job_id="one")
    task = clock.start(scheduler.run_tick())
    await clock.advance(advance)
    return await task, scheduler, [json.loads(line) for line in lines]


@pytest.mark.anyio
async def test_http_posts_the_body_with_the_idempotency_key(target: Target) -> None:
    report, _, _ = await run("http", {"url": target.url, "body": {"a": 1}})
    assert report.jobs_succeeded == 1
    ((headers, body),) = target.calls
    assert body == {"a": 1}
    assert headers["Idempotency-Key"] == "one:2026-01-05T11:59:59Z"
    assert headers["X-Emonk-Fence"] == "1"


@pytest.mark.anyio
async def test_http_fails_where_the_address_does_not_say_success(target: Target) -> None:
    target.status = 503
    report, _, _ = await run("http", {"url": target.url, "body": {}})
    assert report.errors_by_type == {"UnexpectedStatus": 1}


@pytest.mark.anyio
@pytest.mark.parametrize("url", [None, "ftp://x", 7])
async def test_http_without_an_http_address_fails(url: Any) -> None:
    report, _, _ = await run("http", {"url": url})
    assert report.errors_by_type == {"InvalidJob": 1}


@pytest.mark.anyio
async def test_log_writes_the_message_of_the_payload() -> None:
    _, _, entries = await run("log", {"message": "good morning", "to": "all"})
    (entry,) = [entry for entry in entries if entry["message"] == "good morning"]
    assert entry["payload"] == {"to": "all"}


@pytest.mark.anyio
async def test_the_canary_leaves_one_effect_on_record_and_in_the_log() -> None:
    report, scheduler, entries = await run(
        "emonk_canary", {"run_id": "r7", "duration_seconds": 12}, advance=12
    )
    assert (report.jobs_succeeded, report.duration_ms, report.overhead_ms) == (1, 12_000, 0)
    key = "one:2026-01-05T11:59:59Z"
    (entry,) = [entry for entry in entries if entry["message"] == "Canary effect"]
    assert (entry["run_id"], entry["idempotency_key"]) == ("r7", key)
    job = await scheduler.job("one")
    assert job.recent[-1].result == {"run_id": "r7", "effect": key}


@pytest.mark.anyio
async def test_only_the_canary_of_an_injection_may_end_its_instance() -> None:
    """Its payload may come from a chat, where nobody chooses a job's id."""
    report, _, entries = await run("emonk_canary", {"run_id": "r8", "exit_on_attempt": 1})
    assert report.jobs_succeeded == 1
    assert "Canary effect" in [entry["message"] for entry in entries]

"""Three services before their clean-up: on our package, with a scheduler of its own, and clean."""

from __future__ import annotations

from pathlib import Path

OURS = {
    "service.py": '''\
"""The agent."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager

from starlette.applications import Starlette

import handlers  # noqa: F401  (registers the handlers)
from emonk_ops.tick import TickService, routes
from emonk_ops.tick.agent_core import AgentCore

service = TickService.from_environment()
LEGACY_LOOP = os.getenv("SCHEDULER_LEGACY_LOOP", "false") == "true"


@asynccontextmanager
async def lifespan(app):
    async with service.lifespan(app):
        agent_core = AgentCore(service.scheduler)
        # Jobs are run by the in-process loop.
        if LEGACY_LOOP:
            await agent_core.start_scheduler()
        app.state.agent = agent_core  # the chat needs it
        yield


app = Starlette(routes=routes(service), lifespan=lifespan)
''',
    "handlers.py": """\
from emonk_ops.tick import handler


@handler("greet")
async def greet(context):
    return {"greeted": context.payload["who"]}
""",
    "tests/test_service.py": """\
import httpx
from starlette.testclient import TestClient

from service import app


def test_a_tick_is_answered():
    with TestClient(app, client=("127.0.0.1", 50000)) as client:
        answer = client.post("/cron/tick")
    assert answer.status_code == 200, answer.text
    assert answer.json()["executed"]


def test_httpx_is_there():
    assert httpx.codes.OK == 200
""",
    ".env.example": """\
PORT=8080
SCHEDULER_STORAGE=json

# Start the in-process cron loop.
SCHEDULER_LEGACY_LOOP=true

SCHEDULER_SHADOW_MODE=false
SCHEDULER_LEASE_SECONDS=300
""",
    "Dockerfile": """\
FROM python:3.11-slim
ENV SCHEDULER_LEGACY_LOOP=true
ENV PORT=8080 SCHEDULER_SHADOW_MODE=false
CMD ["uvicorn", "service:app"]
""",
    "deploy.sh": """\
#!/bin/sh
set -eu
export SCHEDULER_LEGACY_LOOP=true
gcloud run deploy emonk-agent \\
  --set-env-vars "PORT=8080,SCHEDULER_LEGACY_LOOP=true"
""",
    "service.yaml": """\
spec:
  env:
    - name: PORT
      value: "8080"
    - name: SCHEDULER_LEGACY_LOOP
      value: "true"
  labels:
    SCHEDULER_SHADOW_MODE: "false"
""",
    "README.md": "# The agent\n\nSays hello.\n",
    "docs/scheduler.md": "# Scheduler\n\nThe in-process loop polls each minute.\n",
    "docs/chat.md": "# Chat\n\nNothing about jobs.\n",
}

OWN = {
    "agent/__init__.py": "",
    "agent/scheduler.py": '''\
# -*- coding: utf-8 -*-
"""Jobs in memory – polled, or ticked."""

import asyncio
import contextlib
import logging
import os
from datetime import datetime, timezone

logger = logging.getLogger(__name__)

# How often the loop looks.
POLL_SECONDS = 10
STORAGE = os.getenv('SCHEDULER_STORAGE', 'json')


class CronScheduler:
    """Runs jobs."""

    running: bool = False

    def __init__(self, poll_seconds=POLL_SECONDS):
        self.jobs = []   # odd   spacing stays
        self.poll_seconds = poll_seconds
        self.running = False
        self._task = None

    async def start(self):
        """Begin to poll."""
        if self.running:
            return
        self.running = True
        self._task = asyncio.create_task(self._poll())

    async def stop(self):
        if not self.running:
            return
        self.running = False
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        logger.info("stopped")

    async def _poll(self):
        while self.running:
            await self._check_and_execute_jobs()
            await asyncio.sleep(self.poll_seconds)

    async def _check_and_execute_jobs(self):
        for job in self._due():
            await self._execute(job)

    # What is due now; used by both paths.
    def _due(self):
        now = datetime.now(timezone.utc)
        return [job for job in self.jobs if job["at"] <= now and not job.get("done")]

    async def _execute(self, job):
        job["done"] = True
        await job["call"]()

    async def run_tick(self):
        """What Cloud Scheduler calls."""
        due = self._due()
        for job in due:
            await self._execute(job)
        return {"jobs_executed": len(due)}
''',
    "agent/core.py": '''\
import asyncio
import logging

from .scheduler import CronScheduler

log = logging.getLogger("agent")


class AgentCore:
    def __init__(self, scheduler: CronScheduler):
        self.scheduler = scheduler
        self._scheduler_task = None

    async def start_scheduler(self):
        """The loop, in the background."""
        if self._scheduler_task is None:
            self._scheduler_task = asyncio.create_task(self.scheduler.start())
            log.info("loop started")

    async def answer(self, text):
        await asyncio.sleep(0)
        return text.upper()
''',
    "agent/main.py": """\
from contextlib import asynccontextmanager

from agent.core import AgentCore
from agent.scheduler import CronScheduler

scheduler = CronScheduler()
agent = AgentCore(scheduler)


@asynccontextmanager
async def lifespan(app):
    await agent.start_scheduler()
    try:
        yield {"agent": agent}
    finally:
        await scheduler.stop()


async def cron_tick():
    return await scheduler.run_tick()
""",
    "tests/test_scheduler.py": """\
import asyncio
from datetime import datetime, timezone

from agent.main import cron_tick, lifespan, scheduler
from agent.core import AgentCore
from agent.scheduler import CronScheduler


def test_a_tick_runs_what_is_due():
    done = []

    async def call():
        done.append(1)

    async def whole():
        async with lifespan(None):
            scheduler.jobs.append({"at": datetime.now(timezone.utc), "call": call})
            assert (await cron_tick())["jobs_executed"] == 1

    asyncio.run(whole())
    assert done == [1]


def test_the_agent_answers():
    assert asyncio.run(AgentCore(CronScheduler()).answer("a")) == "A"
""",
    "tests/test_loop.py": """\
import asyncio

from agent.scheduler import CronScheduler


def test_the_loop_starts_once():
    async def whole():
        loop = CronScheduler(0.01)
        await loop.start()
        assert loop.running
        await loop.stop()

    asyncio.run(whole())
""",
    "README.md": "# Agent\r\n\r\nWindows wrote this.\r\n",
}

# Cloud Scheduler from its first day on; what it starts and runs is no loop over jobs.
CLEAN = {
    "service.py": '''\
"""The agent."""

import threading

from starlette.applications import Starlette

import handlers  # noqa: F401
from emonk_ops.tick import TickService, routes

service = TickService.from_environment()
app = Starlette(routes=routes(service), lifespan=service.lifespan)


class Worker:
    def __init__(self) -> None:
        self.running = False

    def start(self) -> None:
        self.running = True
        thread = threading.Thread(target=self.work)
        thread.start()
        thread.join()

    def work(self) -> None:
        self.running = False
''',
    "handlers.py": OURS["handlers.py"],
    "tests/test_service.py": OURS["tests/test_service.py"]
    + """

def test_the_worker_ends():
    from service import Worker

    worker = Worker()
    worker.start()
    assert not worker.running
""",
    ".env.example": "PORT=8080\nSCHEDULER_STORAGE=json\n",
    "docs/chat.md": "# Chat\n\nNothing about jobs.\n",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder

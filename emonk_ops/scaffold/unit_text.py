"""The unit tests of the small service."""

from __future__ import annotations

TEXT = '''\
"""The handlers, ticked on a clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import handlers  # noqa: F401  (registers the handlers and declares the jobs)
from emonk_ops.tick import CronScheduler
from emonk_ops.tick.logs import Log
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

Scenario = Callable[[CronScheduler, ManualClock], Awaitable[None]]


def play(scenario: Scenario) -> list[dict]:
    """Run the scenario on a scheduler with your handlers; return what was logged."""
    lines: list[str] = []

    async def whole() -> None:
        clock = ManualClock()
        log = Log(clock, lines.append)
        scheduler = CronScheduler(MemoryStorage(clock), clock=clock, log=log)
        await scheduler.engine.driver.begin()
        await scheduler.ensure_declared()
        await scenario(scheduler, clock)

    asyncio.run(whole())
    return [json.loads(line) for line in lines]


def posted(logged: list[dict]) -> list[dict]:
    return [entry for entry in logged if entry["message"] == "Digest posted"]


def test_nothing_runs_before_its_time() -> None:
    async def scenario(scheduler: CronScheduler, clock: ManualClock) -> None:
        report = await scheduler.run_tick()
        assert report.jobs_due == 0

    assert not posted(play(scenario))


def test_the_digest_is_posted_each_morning() -> None:
    async def scenario(scheduler: CronScheduler, clock: ManualClock) -> None:
        for _ in range(2):
            await clock.advance(timedelta(days=1).total_seconds())
            report = await scheduler.run_tick()
            assert report.jobs_succeeded == 1

    logged = posted(play(scenario))
    assert [entry["channel"] for entry in logged] == ["#daily", "#daily"]
    assert len({entry["key"] for entry in logged}) == 2


def test_a_second_tick_at_the_same_time_posts_nothing() -> None:
    async def scenario(scheduler: CronScheduler, clock: ManualClock) -> None:
        await clock.advance(timedelta(days=1).total_seconds())
        await scheduler.run_tick()
        report = await scheduler.run_tick()
        assert report.jobs_executed == 0

    assert len(posted(play(scenario))) == 1


def test_an_overdue_job_runs_at_the_next_tick() -> None:
    async def scenario(scheduler: CronScheduler, clock: ManualClock) -> None:
        await scheduler.schedule_job(
            job_type="daily_digest",
            schedule_at=clock.now() - timedelta(minutes=10),
            payload={"channel": "#late"},
        )
        report = await scheduler.run_tick()
        assert report.jobs_succeeded == 1

    assert posted(play(scenario))[0]["channel"] == "#late"
'''

"""The service's own lines, from the real scheduler in shadow, read and judged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry as RawEntry

from emonk_ops.operations.analysis.spool import Spool
from emonk_ops.operations.judging.comparison import Comparison, compare, query_of
from emonk_ops.operations.judging.log_check import check, complaints
from emonk_ops.ports import LogEntry
from emonk_ops.rollout.model import Verdict
from emonk_ops.sandbox.logging.filter_match import compile_filter
from emonk_ops.sandbox.logging.filter_parser import parse_filter
from emonk_ops.settings import Environment, Target
from emonk_ops.tick.driver import Path, Seat
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio
DISPATCH_SECONDS = 5.0
MINUTES = 75
OWN = {"type": "cloud_run_revision", "service_name": "emonk-agent"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Shadowed:
    """One instance; Cloud Scheduler's ticks come 5 s behind the minute."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.lines: list[str] = []
        self.entries: list[LogEntry] = []
        registry = HandlerRegistry()
        registry.handler("canary")(self._canary)
        self.scheduler = CronScheduler(
            MemoryStorage(self.clock),
            clock=self.clock,
            log=Log(self.clock, self.lines.append),
            registry=registry,
            seat=Seat(revision="r1", loop=True, shadow=True),
            cadence="* * * * *",
            instance="r1/one",
        )

    async def _canary(self, context: HandlerContext) -> None:
        context.log.info("Canary effect", run_id="x")

    async def live(self, *, without_ticks: range = range(0)) -> tuple[Job, ...]:
        """So many minutes; `without_ticks` Cloud Scheduler is silent."""
        await self.scheduler.engine.driver.begin()
        await self.scheduler.start()
        every = Schedule(line="*/2 * * * *")
        for name in ("a", "b", "c", "d"):
            await self.scheduler.schedule_job(job_type="canary", job_id=name, schedule=every)
        for minute in range(MINUTES):
            await self.clock.advance(DISPATCH_SECONDS)
            if minute not in without_ticks:
                await self._tick()
            await self.clock.advance(60 - DISPATCH_SECONDS)
        found = tuple([job async for job in self._jobs()])
        await self.scheduler.stop_loop()
        return found

    async def _jobs(self) -> Any:
        for name in ("a", "b", "c", "d"):
            (stored,) = await self.scheduler.engine.storage.get([name])
            assert stored is not None
            yield Job.from_dict(json.loads(json.dumps(stored.job.to_dict())))

    async def _tick(self) -> None:
        now = self.clock.now()
        scheduled = (now - timedelta(seconds=DISPATCH_SECONDS)).isoformat()
        self._platform("cloudscheduler.googleapis.com/executions", now, {
            "@type": "…AttemptStarted", "scheduledTime": scheduled,
        }, {})  # fmt: skip
        self._platform("run.googleapis.com/requests", now, {}, {
            "requestUrl": "https://agent.test/cron/tick", "requestMethod": "POST",
            "status": 200, "latency_seconds": 0.1, "userAgent": "Google-Cloud-Scheduler",
        })  # fmt: skip
        await self.scheduler.run_tick(Path.CRON)

    def _platform(
        self, log: str, at: datetime, payload: dict[str, Any], http: dict[str, Any]
    ) -> None:
        name = f"p{len(self.entries)}"
        self.entries.append(LogEntry(at, name, log, "INFO", "", payload, http, {}, OWN))

    def logged(self) -> Iterator[LogEntry]:
        yield from self.entries
        for number, line in enumerate(self.lines):
            payload = json.loads(line)
            at = datetime.fromisoformat(payload["time"])
            stdout, name = "run.googleapis.com/stdout", f"s{number}"
            yield LogEntry(at, name, stdout, "INFO", payload["message"], payload, {}, {}, OWN)


def compared(lived: Shadowed, jobs: tuple[Job, ...]) -> Comparison:
    env = Environment("qa", Target.SANDBOX, "p", cadence="* * * * *", time_zone="UTC")
    entries = sorted(lived.logged(), key=lambda one: one.timestamp)
    with Spool(entries) as spool:
        assert complaints(spool) == ()
        assert not [part for part in check(spool) if part.lacking]
        return compare(spool, jobs, env)


async def test_the_lines_of_a_sound_shadow_hold_every_invariant_and_coverage() -> None:
    lived = Shadowed()
    found = compared(lived, await lived.live())
    ruled = {one.name: one for one in found.judgement.rulings}
    assert {one.verdict for one in ruled.values() if one.kind != "tendency"} == {Verdict.PASS}, [
        (one.name, one.verdict, one.summary) for one in ruled.values()
    ]
    assert ruled["lateness"].verdict is Verdict.PASS
    assert ruled["nothing-lost"].facts["n"] > 100
    assert found.judgement.facts["effects_logged"] > 100
    caught = {one.name: one.caught_by for one in found.certificate}
    assert caught["one run doubled"] == ("nothing-twice",)
    assert caught["one run dropped"] == ("nothing-lost",)


async def test_ticks_that_stay_away_are_taken_over_and_seen() -> None:
    lived = Shadowed()
    found = compared(lived, await lived.live(without_ticks=range(20, 26)))
    assert {"every-tick-came", "ticks-run-their-slots"} <= found.judgement.failed()
    assert "nothing-twice" not in found.judgement.failed()


def test_the_query_is_understood_as_cloud_logging_understands_it() -> None:
    """In its language OR binds more strongly than AND."""
    env = Environment("qa", Target.SANDBOX, "p")
    matches = compile_filter(parse_filter(query_of(env)))
    own = {"service_name": "emonk-agent"}
    line = {"message": "Scheduler decision"}
    assert matches(_raw("cloud_run_revision", own, "run.googleapis.com%2Fstdout", line))
    assert not matches(_raw("cloud_run_revision", {}, "run.googleapis.com%2Fstdout", line))
    job = {"job_id": "emonk-agent-tick"}
    executions = "cloudscheduler.googleapis.com%2Fexecutions"
    assert matches(_raw("cloud_scheduler_job", job, executions, {}))
    assert not matches(_raw("cloud_scheduler_job", {"job_id": "other"}, executions, {}))


def _raw(kind: str, labels: dict[str, str], log: str, payload: dict[str, str]) -> Any:
    entry = RawEntry.pb()(log_name=f"projects/p/logs/{log}")
    entry.resource.type = kind
    entry.resource.labels.update(labels)
    entry.json_payload.update(payload)
    return entry

"""`CronScheduler.run_tick()` and the claim and release of leases (the guide's unit tests)."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.tick.driver import Path
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import JobConflict, NaiveTime, StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import DueAfter, DuePage, JobStorage, Outcome, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bench:
    """A scheduler on a manual clock, its handlers' runs, and what it said."""

    def __init__(self, storage: JobStorage | None = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.storage = storage or MemoryStorage(self.clock)
        self.lines: list[str] = []
        self.runs: list[HandlerContext] = []
        registry = HandlerRegistry()
        registry.handler("note")(self._note)
        registry.handler("fail")(self._fail)
        registry.handler("slow")(self._slow)
        registry.handler("stubborn")(self._stubborn)
        registry.handler("post_once")(self._post_once)
        self.scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=Log(self.clock, self.lines.append),
            registry=registry,
            limits=Limits(concurrency=5, page=10),
            rng=random.Random(1),
        )

    async def start(self) -> Bench:
        await self.scheduler.engine.driver.begin()
        return self

    async def job(self, job_type: str = "note", late: float = 0, **options: Any) -> str:
        at = self.clock.now() - timedelta(seconds=late)
        return (await self.scheduler.schedule_job(job_type=job_type, schedule_at=at, **options)).id

    async def cron(self, line: str = "*/5 * * * *", job_type: str = "note", **options: Any) -> str:
        schedule = Schedule(line=line)
        made = await self.scheduler.schedule_job(job_type=job_type, schedule=schedule, **options)
        return made.id

    async def read(self, job_id: str) -> Job:
        return await self.scheduler.job(job_id)

    async def tick(self) -> TickReport:
        return await self.scheduler.run_tick()

    def begin_tick(self) -> asyncio.Task[TickReport]:
        return self.clock.start(self.scheduler.run_tick())

    def said(self, message: str) -> list[dict[str, Any]]:
        entries = [json.loads(line) for line in self.lines]
        return [entry for entry in entries if entry["message"] == message]

    async def _note(self, context: HandlerContext) -> Mapping[str, Any] | None:
        self.runs.append(context)
        return {"seen": len(self.runs)}

    async def _fail(self, context: HandlerContext) -> None:
        self.runs.append(context)
        raise ValueError("no luck")

    async def _slow(self, context: HandlerContext) -> None:
        self.runs.append(context)
        seconds = float(context.payload.get("seconds", 30))
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))

    async def _stubborn(self, context: HandlerContext) -> None:
        self.runs.append(context)
        for _ in range(2):
            try:
                await self.clock.sleep_until(self.clock.now() + timedelta(hours=1))
            except asyncio.CancelledError:
                continue

    async def _post_once(self, context: HandlerContext) -> None:
        if await context.once("post"):
            self.runs.append(context)
        raise ValueError("after the post")


class LosingAnswers(MemoryStorage):
    """Applies writes, and then, while `lose` lasts, says that it does not know."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.lose = 0
        self.refuse = False
        self.deaf = False

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if self.refuse:
            raise StorageError("writes are down", code="UNAVAILABLE", transient=True)
        outcomes = await super().write(batch)
        if self.lose > 0:
            self.lose -= 1
            raise StorageError("the answer was lost", code="DEADLINE_EXCEEDED", transient=True)
        return outcomes

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        if self.deaf:
            raise StorageError("reads are down", code="PERMISSION_DENIED", transient=False)
        return await super().read_due(limit, after)


# run_tick


async def test_a_tick_with_nothing_due_executes_nothing() -> None:
    bench = await Bench().start()
    await bench.job(late=-60)
    report = await bench.tick()
    assert (report.jobs_checked, report.jobs_due, report.jobs_executed) == (0, 0, 0)
    assert report.executed


async def test_a_due_job_runs_once_and_is_done() -> None:
    bench = await Bench().start()
    job_id = await bench.job(payload={"a": 1})
    report = await bench.tick()
    assert (report.jobs_checked, report.jobs_due, report.jobs_executed) == (1, 1, 1)
    assert (report.jobs_succeeded, report.jobs_failed) == (1, 0)
    job = await bench.read(job_id)
    assert job.state is JobState.SUCCEEDED
    assert job.recent[-1].result == {"seen": 1}
    assert (await bench.tick()).jobs_executed == 0
    assert [run.payload for run in bench.runs] == [{"a": 1}]


async def test_a_job_created_ten_minutes_in_the_past_runs_on_the_next_tick() -> None:
    bench = await Bench().start()
    await bench.job(late=600)
    report = await bench.tick()
    assert report.jobs_succeeded == 1
    assert report.lag_seconds == 600


async def test_a_naive_datetime_is_refused_and_the_aware_form_is_shown() -> None:
    bench = await Bench().start()
    naive = datetime(2026, 1, 5, 11, 50)  # noqa: DTZ001 - what is refused
    with pytest.raises(NaiveTime, match=r"datetime\.now\(UTC\)"):
        await bench.scheduler.schedule_job(job_type="note", schedule_at=naive, payload={})


async def test_an_id_is_taken_only_once() -> None:
    bench = await Bench().start()
    await bench.job(job_id="mine")
    with pytest.raises(JobConflict, match="mine"):
        await bench.job(job_id="mine")


async def test_a_recurring_job_moves_from_slot_to_slot() -> None:
    bench = await Bench().start()
    job_id = await bench.cron()
    for _ in range(3):
        await bench.clock.advance(300)
        assert (await bench.tick()).jobs_succeeded == 1
    assert [run.slot.minute for run in bench.runs] == [5, 10, 15]
    assert (await bench.read(job_id)).slot == datetime(2026, 1, 5, 12, 20, tzinfo=UTC)


async def test_missed_slots_are_run_once_and_the_others_recorded_as_coalesced() -> None:
    bench = await Bench().start()
    job_id = await bench.cron()
    await bench.clock.advance(1860)
    report = await bench.tick()
    assert (report.jobs_executed, report.coalesced) == (1, 5)
    job = await bench.read(job_id)
    assert job.counts == {"coalesced": 5, "succeeded": 1}
    assert bench.runs[0].slot.minute == 30


async def test_missed_slots_are_all_run_where_that_is_asked_for() -> None:
    bench = await Bench().start()
    await bench.cron(misfire="run_all")
    await bench.clock.advance(1860)
    assert (await bench.tick()).jobs_executed == 6
    assert [run.slot.minute for run in bench.runs] == [5, 10, 15, 20, 25, 30]


async def test_missed_slots_are_skipped_where_that_is_asked_for() -> None:
    bench = await Bench().start()
    job_id = await bench.cron(misfire="skip", grace_seconds=30)
    await bench.clock.advance(1860)
    report = await bench.tick()
    assert (report.jobs_executed, report.skipped) == (0, 6)
    assert (await bench.read(job_id)).slot.minute == 35


async def test_a_hundred_due_jobs_cost_one_query_and_group_commits() -> None:
    bench = await Bench().start()
    scheduler = CronScheduler(
        bench.storage,
        clock=bench.clock,
        log=Log(bench.clock, bench.lines.append),
        registry=bench.scheduler.engine.registry,
        limits=Limits(concurrency=100),
    )
    await scheduler.engine.driver.begin()
    for _ in range(100):
        await bench.job()
    report = await scheduler.run_tick()
    assert report.jobs_succeeded == 100
    assert (report.storage_ops, report.storage_reads, report.storage_writes) == (3, 100, 200)


async def test_more_jobs_than_handlers_at_once_all_run_in_one_tick() -> None:
    bench = await Bench().start()
    for _ in range(37):
        await bench.job()
    report = await bench.tick()
    assert report.jobs_succeeded == 37
    assert not report.more_due


async def test_a_tick_starts_nothing_once_its_budget_is_spent() -> None:
    bench = await Bench().start()
    for _ in range(12):
        await bench.job("slow", payload={"seconds": 40})
    task = bench.begin_tick()
    await bench.clock.advance(200)
    report = task.result()
    assert report.jobs_executed == 10
    assert report.more_due


async def test_a_slow_sibling_holds_no_result_back() -> None:
    bench = await Bench().start()
    slow = await bench.job("slow")
    quick = await bench.job()
    task = bench.begin_tick()
    await bench.clock.settle()
    assert (await bench.read(quick)).state is JobState.SUCCEEDED
    assert (await bench.read(slow)).state is JobState.LEASED
    await bench.clock.advance(30)
    assert task.result().jobs_succeeded == 2
    assert task.result().overhead_ms < 1


async def test_an_unknown_type_is_left_for_a_newer_revision_and_holds_nobody_back() -> None:
    bench = await Bench().start()
    for number in range(25):
        await bench.job("from_the_future", late=100, job_id=f"future{number}")
    await bench.job()
    report = await bench.tick()
    assert (report.unresolved, report.jobs_executed, report.jobs_due) == (25, 1, 1)
    assert (await bench.read("future0")).attempt == 0


async def test_the_guides_sentences_are_said_with_their_metrics() -> None:
    bench = await Bench().start()
    job_id = await bench.job()
    await bench.tick()
    assert len(bench.said("Running scheduler tick")) == 1
    (entry,) = bench.said("Scheduler tick completed")
    assert (entry["jobs_checked"], entry["jobs_due"], entry["jobs_executed"]) == (1, 1, 1)
    assert (entry["jobs_succeeded"], entry["jobs_failed"]) == (1, 0)
    (executing,) = bench.said(f"Executing job {job_id}")
    assert executing["fence"] == 1
    assert executing["severity"] == "INFO"


async def test_only_the_first_tick_of_a_process_is_a_cold_start() -> None:
    bench = await Bench().start()
    assert (await bench.tick()).cold_start
    assert not (await bench.tick()).cold_start


async def test_a_path_that_does_not_drive_executes_nothing_and_says_so() -> None:
    bench = await Bench().start()
    await bench.job()
    report = await bench.scheduler.run_tick(Path.LOOP)
    assert not report.executed
    assert report.reason == "not the driver"
    await bench.scheduler.engine.driver.quiesce()
    quiet = await bench.tick()
    assert (quiet.executed, quiet.driver, quiet.epoch) == (False, "nobody", 2)
    assert len(bench.said("Scheduler tick not executed")) == 1
    assert bench.runs == []


# failures, retries, time limits


async def test_a_failed_job_is_tried_again_after_its_backoff_under_the_same_key() -> None:
    bench = await Bench().start()
    job_id = await bench.job("fail", backoff_seconds=30)
    report = await bench.tick()
    assert (report.jobs_failed, report.retried, report.dead) == (1, 1, 0)
    assert report.errors_by_type == {"ValueError": 1}
    assert (await bench.tick()).jobs_executed == 0
    await bench.clock.advance(34)
    await bench.tick()
    assert [run.attempt for run in bench.runs] == [1, 2]
    assert len({run.idempotency_key for run in bench.runs}) == 1
    assert [run.fence for run in bench.runs] == [1, 2]
    assert (await bench.read(job_id)).recent[-1].reason == "ValueError: no luck"


async def test_a_job_is_dead_after_its_last_attempt() -> None:
    bench = await Bench().start()
    job_id = await bench.job("fail", max_attempts=2)
    await bench.tick()
    await bench.clock.advance(3600)
    report = await bench.tick()
    assert (report.jobs_failed, report.dead) == (1, 1)
    job = await bench.read(job_id)
    assert (job.state, job.due_at) == (JobState.DEAD, None)


async def test_a_recurring_job_goes_on_after_a_dead_slot() -> None:
    bench = await Bench().start()
    job_id = await bench.cron(job_type="fail", max_attempts=1)
    await bench.clock.advance(300)
    assert (await bench.tick()).dead == 1
    job = await bench.read(job_id)
    assert (job.state, job.attempt, job.slot.minute) == (JobState.SCHEDULED, 0, 10)


async def test_a_handler_over_its_time_is_cancelled_and_tried_again() -> None:
    bench = await Bench().start()
    job_id = await bench.job("slow", payload={"seconds": 600}, timeout_seconds=20)
    task = bench.begin_tick()
    await bench.clock.advance(19.9)
    assert not task.done()
    await bench.clock.advance(0.1)
    assert task.result().errors_by_type == {"HandlerTimeout": 1}
    assert (await bench.read(job_id)).state is JobState.SCHEDULED


async def test_a_handler_that_ignores_its_cancellation_keeps_its_lease_until_it_expires() -> None:
    bench = await Bench().start()
    job_id = await bench.job("stubborn")
    task = bench.begin_tick()
    await bench.clock.advance(60)
    assert task.result().errors_by_type == {"HandlerStuck": 1}
    job = await bench.read(job_id)
    assert job.holds_live_lease(bench.clock.now())
    await bench.clock.advance(7200)


# leases


async def test_a_claim_raises_the_fence_counts_the_attempt_and_takes_the_lease() -> None:
    bench = await Bench().start()
    job_id = await bench.job("slow")
    task = bench.begin_tick()
    await bench.clock.settle()
    job = await bench.read(job_id)
    assert (job.state, job.fence, job.attempt) == (JobState.LEASED, 1, 1)
    assert job.lease is not None
    assert job.lease.until == job.due_at == bench.clock.now() + timedelta(seconds=300)
    await bench.clock.advance(30)
    assert task.done()
    assert (await bench.read(job_id)).lease is None


async def test_a_second_tick_skips_a_leased_job() -> None:
    bench = await Bench().start()
    await bench.job("slow")
    first = bench.begin_tick()
    await bench.clock.advance(1)
    assert (await bench.tick()).jobs_executed == 0
    await bench.clock.advance(30)
    assert first.result().jobs_succeeded == 1
    assert len(bench.runs) == 1


async def test_ticks_at_the_same_time_never_run_a_job_twice() -> None:
    clock = ManualClock()
    storage = MemoryStorage(clock)
    benches = [await Bench(storage, clock).start() for _ in range(4)]
    for _ in range(50):
        await benches[0].job()
    reports = await asyncio.gather(*(bench.tick() for bench in benches))
    assert sum(report.jobs_succeeded for report in reports) == 50
    keys = [run.idempotency_key for bench in benches for run in bench.runs]
    assert len(keys) == len(set(keys)) == 50


async def test_an_expired_lease_is_rescued_with_a_higher_fence_and_the_old_result_dropped() -> None:
    clock = ManualClock()
    storage = MemoryStorage(clock)
    frozen = await Bench(storage, clock).start()
    other = await Bench(storage, clock).start()
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stalled(context: HandlerContext) -> None:
        frozen.runs.append(context)
        reached.set_result(None)
        await gate

    frozen.scheduler.engine.registry.handler("stall")(stalled)
    other.scheduler.engine.registry.handler("stall")(other._note)
    await frozen.job("stall", job_id="one")
    late = asyncio.create_task(frozen.scheduler.run_tick())
    await reached
    # The instance stands still while the store's clock moves past its lease.
    clock.leap(301)
    report = await other.tick()
    assert (report.rescued, report.jobs_succeeded) == (1, 1)
    gate.set_result(None)
    assert (await late).stale_completion == 1
    assert other.runs[0].fence == 2
    assert other.runs[0].idempotency_key == frozen.runs[0].idempotency_key
    job = await other.read("one")
    assert [(run.outcome, run.fence) for run in job.recent] == [("succeeded", 2)]


async def test_a_cancelled_job_gets_no_late_result() -> None:
    bench = await Bench().start()
    job_id = await bench.job("slow")
    task = bench.begin_tick()
    await bench.clock.advance(1)
    await bench.scheduler.cancel(job_id)
    await bench.clock.advance(30)
    assert task.result().stale_completion == 1
    assert (await bench.read(job_id)).state is JobState.CANCELLED


async def test_a_pause_during_a_run_is_honoured_at_its_end() -> None:
    bench = await Bench().start()
    job_id = await bench.cron(job_type="slow")
    await bench.clock.advance(300)
    task = bench.begin_tick()
    await bench.clock.advance(1)
    await bench.scheduler.pause(job_id)
    await bench.clock.advance(30)
    assert task.result().jobs_succeeded == 1
    job = await bench.read(job_id)
    assert (job.state, job.due_at) == (JobState.PAUSED, None)
    await bench.scheduler.resume(job_id)
    assert (await bench.read(job_id)).due_at == job.slot


async def test_a_shutdown_gives_acknowledged_leases_back_for_the_next_tick() -> None:
    bench = await Bench().start()
    job_id = await bench.job("slow")
    task = bench.begin_tick()
    await bench.clock.advance(1)
    bench.scheduler.stop()
    bench.scheduler.cancel_running()
    await bench.clock.settle()
    assert task.result().released == 1
    job = await bench.read(job_id)
    assert (job.lease, job.due_at, job.attempt) == (None, bench.clock.now(), 0)
    assert not (await bench.tick()).executed


async def test_an_effect_begins_once_a_slot_whatever_the_attempts() -> None:
    bench = await Bench().start()
    job_id = await bench.job("post_once", max_attempts=3)
    for _ in range(3):
        await bench.tick()
        await bench.clock.advance(3600)
    assert len(bench.runs) == 1
    assert (await bench.read(job_id)).state is JobState.DEAD


# storage that fails


async def test_a_claim_whose_answer_was_lost_is_read_back_and_run() -> None:
    clock = ManualClock()
    storage = LosingAnswers(clock)
    bench = await Bench(storage, clock).start()
    await bench.job()
    storage.lose = 1
    report = await bench.tick()
    assert (report.jobs_succeeded, report.lost_race) == (1, 0)
    assert report.storage_errors == {"DEADLINE_EXCEEDED": {"count": 1, "transient": True}}


async def test_a_result_whose_answer_was_lost_is_not_written_twice() -> None:
    clock = ManualClock()
    storage = LosingAnswers(clock)
    bench = await Bench(storage, clock).start()
    job_id = await bench.cron(job_type="slow")
    await clock.advance(300)
    task = bench.begin_tick()
    await clock.advance(1)
    storage.lose = 1
    await clock.advance(30)
    assert (task.result().jobs_succeeded, task.result().stale_completion) == (1, 0)
    assert (await bench.read(job_id)).counts == {"succeeded": 1}


async def test_a_failed_poll_is_reported_and_nothing_is_claimed() -> None:
    clock = ManualClock()
    storage = LosingAnswers(clock)
    bench = await Bench(storage, clock).start()
    await bench.job()
    storage.deaf = True
    report = await bench.tick()
    assert report.poll_failed
    assert report.storage_errors == {"PERMISSION_DENIED": {"count": 1, "transient": False}}
    assert len(bench.said("Scheduler tick failed")) == 1
    storage.deaf = False
    assert (await bench.tick()).jobs_succeeded == 1


async def test_failing_writes_end_the_tick_and_the_jobs_run_on_the_next_one() -> None:
    clock = ManualClock()
    storage = LosingAnswers(clock)
    bench = await Bench(storage, clock).start()
    for _ in range(30):
        await bench.job()
    storage.refuse = True
    report = await bench.tick()
    assert (report.jobs_executed, report.more_due) == (0, True)
    storage.refuse = False
    assert (await bench.tick()).jobs_succeeded == 30

"""Answers that say nothing, come too late or overtake each other, and what must not follow."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick import settlement
from emonk_ops.tick.driver import Seat
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import JobConflict, StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import DriverRecord, Outcome, Stored, Verdict, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
MADE, REFUSED, LATE, TRUE = "made", "refused", "late", ""
JOB = Job(
    id="one",
    type="note",
    schedule=Schedule.once(EPOCH),
    payload={},
    state=JobState.SCHEDULED,
    slot=EPOCH,
    due_at=EPOCH,
    created_at=EPOCH,
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Doubtful(MemoryStorage):
    """Says of the next writes that it does not know: made, refused, or made after the next read."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.fates: list[str] = []
        self.concerns: Callable[[Job], bool] = lambda _: True
        self._late: list[Write] = []

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        late, self._late = self._late, []
        await super().write(late)
        if not self.fates or not self.concerns(batch[0].job):
            return await super().write(batch)
        fate = self.fates.pop(0)
        if fate == TRUE:
            return await super().write(batch)
        if fate == MADE:
            await super().write(batch)
        elif fate == LATE:
            self._late = list(batch)
        return tuple(Outcome(Verdict.UNCLEAR, code="DEADLINE_EXCEEDED") for _ in batch)


class SlowToSay(MemoryStorage):
    """Answers who drives when it is told to, as things stood when it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.gates: list[asyncio.Event] = []

    async def driver(self) -> DriverRecord | None:
        record = await super().driver()
        if self.gates:
            await self.gates.pop(0).wait()
        return record


class LosesDriverAnswers(MemoryStorage):
    """Makes the driver record and then, while `lose` lasts, says that it does not know."""

    lose = False

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        made = await super().set_driver(record, expected_epoch)
        if self.lose:
            raise StorageError("the answer was lost", code="UNAVAILABLE", transient=True)
        return made


class Bench:
    """A scheduler over one such store; `begun` are the effects that once() let begin."""

    def __init__(
        self, storage: MemoryStorage, clock: ManualClock, seat: Seat | None = None
    ) -> None:
        self.clock = clock
        self.storage = storage
        self.begun: list[int] = []
        registry = HandlerRegistry()
        registry.handler("note")(self._note)
        registry.handler("post")(self._post)
        registry.declare("declared", type="note", schedule={"every": 60})
        self.scheduler = CronScheduler(
            storage,
            clock=clock,
            log=Log(clock, lambda _: None),
            registry=registry,
            limits=Limits(concurrency=5),
            seat=seat,
            rng=random.Random(1),
        )

    async def start(self) -> None:
        await self.scheduler.engine.driver.begin()

    async def due(self, job_type: str = "note", **options: Any) -> Job:
        return await self.scheduler.schedule_job(
            job_type=job_type, schedule_at=self.clock.now(), job_id="one", **options
        )

    async def tick(self) -> TickReport:
        """One tick, and the pauses that it makes."""
        tick = self.clock.start(self.scheduler.run_tick())
        await self.clock.advance(5)
        return tick.result()

    async def read(self, job_id: str = "one") -> Stored | None:
        (found,) = await self.storage.get([job_id])
        return found

    async def _note(self, context: HandlerContext) -> None:
        self.begun.append(context.fence)

    async def _post(self, context: HandlerContext) -> None:
        if await context.once("post"):
            self.begun.append(context.fence)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def doubtful(clock: ManualClock) -> tuple[Bench, Doubtful]:
    storage = Doubtful(clock)
    bench = Bench(storage, clock)
    await bench.start()
    return bench, storage


Pair = tuple[Bench, Doubtful]


@pytest.mark.parametrize("fates", [[MADE], [REFUSED], [LATE], [REFUSED] * 9])
async def test_a_new_job_that_is_called_stored_is_stored(doubtful: Pair, fates: list[str]) -> None:
    bench, storage = doubtful
    storage.fates = list(fates)
    try:
        job = await bench.due()
    except StorageError:
        return
    found = await bench.read()
    assert found is not None
    assert found.job == job


async def test_an_unclear_answer_does_not_make_somebody_elses_job_ours(doubtful: Pair) -> None:
    bench, storage = doubtful
    await bench.due()
    await bench.clock.advance(1)
    storage.fates = [REFUSED]
    with pytest.raises((JobConflict, StorageError)):
        await bench.due()


@pytest.mark.parametrize("fates", [[MADE], [REFUSED], [LATE], [LATE, TRUE], [REFUSED, MADE]])
async def test_an_effect_begins_once_whatever_became_of_the_answer(
    doubtful: Pair, fates: list[str]
) -> None:
    bench, storage = doubtful
    await bench.due("post")
    storage.concerns = lambda job: bool(job.effects)
    storage.fates = list(fates)
    report = await bench.tick()
    assert bench.begun == [1]
    assert report.jobs_succeeded == 1


@pytest.mark.parametrize("fates", [[MADE], [LATE], [REFUSED, LATE]])
async def test_a_result_on_record_is_never_called_stale(doubtful: Pair, fates: list[str]) -> None:
    bench, storage = doubtful
    await bench.due()
    storage.concerns = lambda job: job.state is JobState.SUCCEEDED
    storage.fates = list(fates)
    report = await bench.tick()
    assert (report.jobs_succeeded, report.stale_completion) == (1, 0)
    found = await bench.read()
    assert found is not None
    assert found.job.counts == {"succeeded": 1}


async def test_a_verdict_over_an_expired_lease_is_not_taken_for_the_own_result(
    clock: ManualClock,
) -> None:
    class Meanwhile(MemoryStorage):
        """Before the result arrives the lease expires, and a sibling gives the slot up."""

        async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
            job = batch[0].job
            if job.state is not JobState.SUCCEEDED:
                return await super().write(batch)
            (held,) = await self.get([job.id])
            assert held is not None
            assert held.job.lease is not None
            later = held.job.lease.until + timedelta(seconds=1)
            found = settlement.judge(held.job, later, {job.type})
            assert isinstance(found, settlement.Settled)
            await super().write([Write(found.job, held.version)])
            return (Outcome(Verdict.UNCLEAR, code="DEADLINE_EXCEEDED"),)

    bench = Bench(Meanwhile(clock), clock)
    await bench.start()
    await bench.due(max_attempts=1)
    report = await bench.tick()
    assert (report.jobs_succeeded, report.jobs_failed, report.stale_completion) == (0, 0, 1)


@pytest.mark.parametrize("change", [settlement.paused, settlement.resumed, settlement.cancelled])
@pytest.mark.parametrize(
    "state", [JobState.SUCCEEDED, JobState.DEAD, JobState.SKIPPED, JobState.CANCELLED]
)
async def test_what_is_finished_stays_finished(
    change: Callable[[Job], Job], state: JobState
) -> None:
    finished = replace(JOB, state=state, due_at=None)
    assert change(finished) == finished


async def test_a_shutdown_during_the_question_who_drives_lets_nothing_begin(
    clock: ManualClock,
) -> None:
    storage = SlowToSay(clock)
    bench = Bench(storage, clock)
    await bench.start()
    await bench.due()
    await clock.advance(5)
    gate = asyncio.Event()
    storage.gates = [gate]
    tick = asyncio.create_task(bench.scheduler.run_tick())
    await asyncio.sleep(0)
    bench.scheduler.stop()
    gate.set()
    report = await tick
    assert not report.executed
    assert bench.begun == []


async def test_a_driver_record_that_comes_late_undoes_no_newer_one(clock: ManualClock) -> None:
    storage = SlowToSay(clock)
    bench = Bench(storage, clock)
    await bench.start()
    await clock.advance(5)
    gate = asyncio.Event()
    storage.gates = [gate]
    driver = bench.scheduler.engine.driver
    asked = asyncio.create_task(bench.scheduler.run_tick())
    await asyncio.sleep(0)
    await driver.quiesce()
    gate.set()
    assert not (await asked).executed
    assert driver.role == "quiesced"


async def test_what_follows_an_activation_is_made_up_for_when_its_answer_was_lost(
    clock: ManualClock,
) -> None:
    storage = LosesDriverAnswers(clock)
    bench = Bench(storage, clock, Seat(standby_seconds=3600))
    await bench.start()
    storage.lose = True
    with pytest.raises(StorageError):
        await bench.scheduler.engine.driver.activate("cloud", 0)
    assert await bench.read("declared") is None
    await clock.advance(2)
    assert (await bench.scheduler.run_tick()).executed
    assert await bench.read("declared") is not None


async def test_a_declared_job_is_written_again_when_nobody_knows(clock: ManualClock) -> None:
    storage = Doubtful(clock)
    bench = Bench(storage, clock)
    storage.fates = [REFUSED, LATE]
    await bench.start()
    assert await bench.read("declared") is not None

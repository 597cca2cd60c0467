"""CronScheduler: ticks over stored jobs, and the changes people make to those jobs."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.tick import billing, logs, settlement
from emonk_ops.tick.clock import Clock, SystemClock
from emonk_ops.tick.driver import Driver, Path, Seat
from emonk_ops.tick.engine import TRIES, Engine, Limits
from emonk_ops.tick.enqueueing import enqueue, id_of
from emonk_ops.tick.errors import InvalidJob, JobConflict, JobNotFound, StorageError
from emonk_ops.tick.handlers import REGISTRY, DeclaredJob, HandlerRegistry
from emonk_ops.tick.in_process import NoLoop
from emonk_ops.tick.instants import aware
from emonk_ops.tick.job_options import check_options
from emonk_ops.tick.jobs import Job, JobState, Run
from emonk_ops.tick.legacy_loop import LegacyLoop
from emonk_ops.tick.logs import Log, NumberedLog
from emonk_ops.tick.rounds import TickRun
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.shadow import Shadow
from emonk_ops.tick.storage import JobStorage, Stored, Verdict, Write
from emonk_ops.tick.texts import plain_json
from emonk_ops.tick.ticks import TickReport


class CronScheduler(
    LegacyLoop,
    NoLoop,
):
    """Runs what is due in `storage` whenever it is ticked. Clock, log and chance are handed in."""

    def __init__(
        self,
        storage: JobStorage,
        *,
        clock: Clock | None = None,
        log: Log | None = None,
        registry: HandlerRegistry = REGISTRY,
        limits: Limits | None = None,
        seat: Seat | None = None,
        cadence: str = "* * * * *",
        rng: random.Random | None = None,
        instance: str = "local",
        shadow_grace_seconds: float | None = None,
    ) -> None:
        clock = clock or SystemClock()
        log = log or Log(clock)
        self.cadence = cadence
        driver = Driver(storage, clock, log, seat or Seat())
        lines = NumberedLog(log, instance)
        self.engine = Engine(
            storage=storage,
            clock=clock,
            log=log,
            registry=registry,
            driver=driver,
            limits=limits or Limits(),
            rng=rng or random.Random(secrets.randbits(64)),
            instance=instance,
            lines=lines,
            shadow=Shadow(driver, lines, clock, cadence, shadow_grace_seconds),
        )
        self.engine.driver.on_activation = self.ensure_declared
        self._runs: dict[asyncio.Task[TickReport], TickRun] = {}
        self._cold = True
        self._stopped = False

    @property
    def running_handlers(self) -> int:
        """How many handlers run in this instance now."""
        return sum(run.running for run in self._runs.values())

    async def open(self) -> None:
        """Open the storage and see who drives; TickService does both by itself. StorageError."""
        await self.engine.storage.open()
        await self.engine.driver.begin()

    async def run_tick(self, path: Path = Path.CRON) -> TickReport:
        """Run what is due and report it; executes nothing when `path` does not drive.

        Storage errors are in the report (`poll_failed`), never raised.
        """
        tick_id = secrets.token_hex(6)
        bill = billing.open_bill()
        refusal = await self._refusal(path)
        if refusal is not None:
            report = replace(refusal, tick_id=tick_id, path=path.value, **bill.fields)
            # A loop that has to be quiet says so once, when the driver changes.
            if report.poll_failed:
                self.engine.lines.error(logs.TICK_FAILED, **report.to_dict())
            elif path is Path.CRON:
                self.engine.lines.info(logs.TICK_NOT_EXECUTED, **report.to_dict())
            return report
        self.engine.lines.info(logs.TICK_RUNNING, tick_id=tick_id, path=path.value)
        run = TickRun(self.engine, path, tick_id)
        task = self.engine.clock.start(run.run(), name=f"tick {tick_id}")
        self._runs[task] = run
        task.add_done_callback(lambda done: self._runs.pop(done, None))
        await self.engine.clock.wait({task})
        report = replace(task.result(), cold_start=self._cold, **bill.fields)
        self._cold = False
        message = logs.TICK_FAILED if report.poll_failed else logs.TICK_COMPLETED
        say = self.engine.lines.error if report.poll_failed else self.engine.lines.info
        say(message, **report.to_dict())
        return report

    def stop(self) -> None:
        """Claim no more, in this tick or another."""
        self._stopped = True
        for run in self._runs.values():
            run.stop()

    def cancel_running(self) -> None:
        """Cancel the running handlers; those that acknowledge it give their lease back."""
        for run in list(self._runs.values()):
            run.cancel()

    async def drained(self, seconds: float) -> bool:
        """Wait until no tick runs, for at most `seconds` of the clock; say whether none does."""
        clock = self.engine.clock
        until = clock.now() + timedelta(seconds=seconds)
        timer = clock.start(clock.sleep_until(until), name="drain")
        while (running := _not_done(self._runs)) and not timer.done():
            await clock.wait({*running, timer})
        timer.cancel()
        return not running

    async def ended(self, real_seconds: float) -> bool:
        """As `drained`, but by real time: what a shutdown has is no matter of the jobs' clock."""
        if running := _not_done(self._runs):
            await asyncio.wait(running, timeout=real_seconds)
        return not _not_done(self._runs)

    def stop_current(self) -> None:
        """End the claiming of the ticks that run; later ticks ask the driver anew."""
        for run in self._runs.values():
            run.stop()

    async def schedule_job(
        self,
        *,
        job_type: str,
        schedule_at: datetime | None = None,
        payload: Mapping[str, Any] | None = None,
        schedule: Schedule | None = None,
        job_id: str | None = None,
        dedup_key: str | None = None,
        **options: Any,
    ) -> Job:
        """Store a job for one instant (`schedule_at`, aware) or for a `schedule`.

        With a `dedup_key` the id follows from it, and a job that is there already is the answer.
        Raises NaiveTime showing the aware form, InvalidJob, StorageError, and JobConflict if the
        id is taken, or the key's job has another type or payload.
        """
        if (schedule_at is None) == (schedule is None):
            raise InvalidJob("exactly one of schedule_at and schedule is needed.")
        if schedule is None and schedule_at is not None:
            schedule = Schedule.once(aware(schedule_at, "schedule_at"))
        if schedule is None:
            raise InvalidJob("a schedule is needed.")
        if job_id and dedup_key is not None:
            raise InvalidJob("job_id and dedup_key exclude each other.", hint="Leave one away.")
        job_id = id_of(dedup_key) if dedup_key is not None else job_id or secrets.token_hex(10)
        now = await self.engine.storage.clock()
        job = _new_job(job_id, job_type, schedule, payload, options, now)
        return await enqueue(self.engine.storage, job, dedup_key)

    async def job(self, job_id: str) -> Job:
        """The job. Raises JobNotFound."""
        return (await self._stored(job_id)).job

    async def change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Apply `change` by compare-and-set. Raises JobNotFound, JobConflict, StorageError."""
        for _ in range(TRIES):
            stored = await self._stored(job_id)
            changed = change(stored.job)
            (outcome,) = await self.engine.storage.write([Write(changed, stored.version)])
            if outcome.verdict is Verdict.OK:
                return changed
        raise JobConflict(f"job '{job_id}' keeps changing.", hint="Try again.")

    async def cancel(self, job_id: str) -> Job:
        """No slot of the job runs any more. Raises JobNotFound."""
        return await self.change(job_id, settlement.cancelled)

    async def pause(self, job_id: str) -> Job:
        """Nothing of the job runs until it is resumed. Raises JobNotFound."""
        return await self.change(job_id, settlement.paused)

    async def resume(self, job_id: str) -> Job:
        """The job is due again at its slot. Raises JobNotFound."""
        return await self.change(job_id, settlement.resumed)

    async def ensure_declared(self) -> None:
        """Create the declared jobs that do not exist; others keep their state, not their wording.

        A job whose schedule was changed in its declaration begins anew at the next slot.
        """
        for _ in range(TRIES):
            writes = await self._missing_declarations()
            outcomes = await self.engine.storage.write(writes) if writes else ()
            if all(outcome.verdict is Verdict.OK for outcome in outcomes):
                return
        raise StorageError("declared jobs could not be stored.", code="ABORTED", transient=True)

    async def _missing_declarations(self) -> list[Write]:
        declared = list(self.engine.registry.declared)
        known = await self.engine.storage.get([one.id for one in declared])
        now = await self.engine.storage.clock()
        found = (_declaration(*pair, now) for pair in zip(declared, known, strict=True))
        return [write for write in found if write is not None]

    async def _stored(self, job_id: str) -> Stored:
        found: Sequence[Stored | None] = await self.engine.storage.get([job_id])
        if found[0] is None:
            raise JobNotFound(f"no job '{job_id}'.", hint="GET /admin/jobs lists them.")
        return found[0]

    async def _refusal(self, path: Path) -> TickReport | None:
        try:
            drives = self._stopped or await self.engine.driver.may_claim(path)
            # A shutdown may have begun while the driver was asked for.
            if self._stopped:
                return self._refused("the service is shutting down")
            if drives:
                return None
        except StorageError as error:
            errors = {error.code: {"count": 1, "transient": error.transient}}
            report = self._refused(f"the driver could not be read: {error}")
            return replace(report, poll_failed=True, storage_errors=errors)
        return self._refused("not the driver")

    def _refused(self, reason: str) -> TickReport:
        record = self.engine.driver.record
        return TickReport(
            executed=False,
            reason=reason,
            driver=None if record is None else record.driver,
            epoch=0 if record is None else record.epoch,
        )


def _not_done(runs: Mapping[asyncio.Task[TickReport], TickRun]) -> set[asyncio.Task[Any]]:
    return {task for task in runs if not task.done()}


def _new_job(
    job_id: str,
    job_type: str,
    schedule: Schedule,
    payload: Mapping[str, Any] | None,
    options: Mapping[str, Any],
    now: datetime,
) -> Job:
    check_options(job_id, job_type, payload, options)
    slot = schedule.first(now)
    return Job(
        id=job_id,
        type=job_type,
        schedule=schedule,
        payload=plain_json(payload or {}),
        state=JobState.SCHEDULED,
        slot=slot,
        due_at=slot,
        created_at=now,
        **options,
    )


def _declaration(one: DeclaredJob, stored: Stored | None, now: datetime) -> Write | None:
    options = {**one.options, "declared": True}
    fresh = _new_job(one.id, one.type, one.schedule, one.payload, options, now)
    if stored is None:
        return Write(fresh, None)
    old = stored.job
    if not old.declared or old.lease is not None or old.state is JobState.CANCELLED:
        return None
    new = replace(old, type=one.type, payload=fresh.payload, schedule=one.schedule, **one.options)
    if old.schedule != one.schedule:
        due_at = None if old.paused else fresh.due_at
        new = replace(
            new,
            state=old.state if old.paused else fresh.state,
            slot=fresh.slot,
            due_at=due_at,
            attempt=0,
            effects={},
            ordinal=old.ordinal + 1,
        ).with_run(Run(old.slot, "rescheduled", now, reason="declared anew", count=0))
    return None if new == old else Write(new, stored.version)

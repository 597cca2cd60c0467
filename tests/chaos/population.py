"""The jobs of a chaos run: one row for each kind, so that a new kind is a new row."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import JobStorage, Stored
from tests.chaos.handlers import WORK
from tests.chaos.journal import Journal

QUICK = {"backoff_seconds": 0.3, "max_attempts": 6}


@dataclass(frozen=True)
class Kind:
    """`count` jobs of one kind; a schedule of None is one instant, drawn near the present."""

    name: str
    count: int
    schedule: dict[str, Any] | None
    payload: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)


RECURRING = (
    Kind("second", 3, {"every": 1}, {"work": 0.02}, QUICK),
    Kind("all", 1, {"every": 1}, {"work": 0.01}, {**QUICK, "misfire": "run_all"}),
    Kind("skip", 1, {"every": 2}, {}, {**QUICK, "misfire": "skip", "grace_seconds": 1}),
    Kind("cron", 1, {"cron": "* * * * *"}, {"work": 0.1}, QUICK),
    Kind("flaky", 2, {"every": 2}, {"work": 0.05, "fail": 0.4}, {**QUICK, "max_attempts": 3}),
    Kind("long", 2, {"every": 3}, {"work": 0.6}, QUICK),
    Kind("too-long", 1, {"every": 5}, {"work": 9}, {**QUICK, "max_attempts": 2}),
    Kind("careful", 2, {"every": 2}, {"work": 0.1, "once": True}, QUICK),
)
ONE_OFF = (
    Kind("once", 4, None, {"work": 0.02}, QUICK),
    Kind("once-flaky", 2, None, {"work": 0.05, "fail": 0.5}, {**QUICK, "max_attempts": 4}),
    Kind("once-careful", 1, None, {"work": 0.2, "once": True, "fail": 0.3}, QUICK),
    Kind("once-long", 1, None, {"work": 0.7}, QUICK),
    Kind("fragile", 1, None, {"work": 0.3}, {**QUICK, "max_attempts": 1}),
)


class Population:
    """Creates jobs in the store and looks at them; both go into the journal."""

    def __init__(self, storage: JobStorage, journal: Journal, rng: random.Random) -> None:
        self.storage = storage
        self._scheduler = CronScheduler(storage)
        self._journal = journal
        self._rng = rng
        self._created = 0
        self._seen: dict[str, str] = {}
        self._looking = asyncio.Lock()

    async def create(self, kind: Kind) -> list[Job]:
        """All jobs of the kind; fewer where the store could not take them just now."""
        jobs = []
        for _ in range(kind.count):
            self._created += 1
            try:
                jobs.append(await self._create(kind, f"{kind.name}-{self._created}"))
            except StorageError:
                continue
        return jobs

    async def create_any(self) -> None:
        """One job of a kind that runs once."""
        weights = [kind.count for kind in ONE_OFF]
        (kind,) = self._rng.choices(ONE_OFF, weights)
        await self.create(Kind(kind.name, 1, kind.schedule, kind.payload, kind.options))

    async def meddle(self) -> None:
        """Pause a recurring job, whatever it is doing, and resume it a little later."""
        jobs = [job for job in await self.look() if job.schedule.recurs]
        job = self._rng.choice(jobs)
        await self._scheduler.pause(job.id)
        await asyncio.sleep(self._rng.uniform(0.2, 1.5))
        await self._scheduler.resume(job.id)

    async def resume_all(self) -> None:
        """Resume what is still paused."""
        for job in await self.look():
            if job.paused:
                await self._scheduler.resume(job.id)

    async def _create(self, kind: Kind, job_id: str) -> Job:
        if kind.schedule is None:
            early = timedelta(seconds=self._rng.uniform(-1, 2))
            schedule = Schedule.once(await self.storage.clock() + early)
        else:
            schedule = Schedule.from_dict(kind.schedule)
        job = await self._scheduler.schedule_job(
            job_type=WORK,
            schedule=schedule,
            payload=kind.payload,
            job_id=job_id,
            **kind.options,
        )
        self._journal.write("created", job=job.to_dict())
        return job

    async def look(self) -> list[Job]:
        """Every stored job; those that changed since the last look go into the journal."""
        # One at a time, so that the journal has them in the order of the store.
        async with self._looking:
            return await self._look()

    async def _look(self) -> list[Job]:
        found: list[Stored] = []
        while True:
            page = await self.storage.list_jobs(500, found[-1].job.id if found else None)
            found += page
            if len(page) < 500:
                break
        changed = [one for one in found if self._seen.get(one.job.id) != one.version]
        self._seen.update((one.job.id, one.version) for one in changed)
        if changed:
            self._journal.write("look", jobs=[one.job.to_dict() for one in changed])
        return [one.job for one in found]

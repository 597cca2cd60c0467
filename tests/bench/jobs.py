"""No-op jobs to be stored, and the scheduler that runs them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import TextIO

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import load_handlers
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import JobStorage, Verdict, Write

DUE = timedelta(seconds=-1)
IN_A_DAY = timedelta(days=1)
SEEDED_AT_ONCE = 2000
REGISTRY = load_handlers("tests.bench.handlers")


def due_at(moments: Sequence[datetime], now: datetime) -> Iterator[Job]:
    """A one-off job for each of the moments."""
    for number, at in enumerate(moments):
        yield Job(
            id=secrets.token_hex(10),
            type="nothing",
            schedule=Schedule.once(at),
            payload={"n": number},
            state=JobState.SCHEDULED,
            slot=at,
            due_at=at,
            created_at=now,
        )


async def seed(storage: JobStorage, count: int, when: timedelta) -> None:
    """Store `count` jobs that are due at the store's clock plus `when`."""
    now = await storage.clock()
    await store(storage, due_at([now + when] * count, now))


async def store(storage: JobStorage, jobs: Iterator[Job]) -> None:
    """Write the jobs, many in a call."""
    writes = [Write(job, None) for job in jobs]
    for begin in range(0, len(writes), SEEDED_AT_ONCE):
        outcomes = await storage.write(writes[begin : begin + SEEDED_AT_ONCE])
        if any(outcome.verdict is not Verdict.OK for outcome in outcomes):
            raise RuntimeError("a job could not be stored")


def scheduler_of(storage: JobStorage, sink: TextIO, handlers: int) -> CronScheduler:
    """A scheduler as the service has it: each log line is formatted, written and flushed."""
    clock = SystemClock()

    def write_line(line: str) -> None:
        sink.write(line + "\n")
        sink.flush()

    return CronScheduler(
        storage,
        clock=clock,
        log=Log(clock, write_line),
        registry=REGISTRY,
        limits=Limits(concurrency=handlers),
    )


def null_device() -> TextIO:
    """Where log lines go: a real file, written and flushed line by line."""
    return open(os.devnull, "w", encoding="utf-8")

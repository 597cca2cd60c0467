"""How many ticks and runs of jobs a day has, and how many documents they read and write."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.operations.cadence import slots_between as ticks_between
from emonk_ops.operations.job_slots import slots_between
from emonk_ops.settings import Environment
from emonk_ops.tick.jobs import Job

MINUTES_A_DAY = 1440
COUNTED_DAYS = 7
RUN_ALL = "run_all"


@dataclass(frozen=True, slots=True)
class Rates:
    """Documents of one tick with nothing due, and more for each run of a job.

    By docs/firestore.md a tick reads the driver's record and asks one query. An empty query counts
    as a read, which a tick with something due does not have.
    """

    idle_reads: float = 2.0
    idle_writes: float = 0.0
    job_reads: float = 1.0
    job_writes: float = 2.0


DOCUMENTED = Rates()


@dataclass(frozen=True, slots=True)
class Load:
    """A day: its ticks, those with something due, and the runs in them. `jobs` are stored."""

    ticks: float
    busy: float
    runs: float
    jobs: int = 0

    def reads(self, rates: Rates) -> float:
        """Documents of the day."""
        return self.ticks * rates.idle_reads - self.busy + self.runs * rates.job_reads

    def writes(self, rates: Rates) -> float:
        return self.ticks * rates.idle_writes + self.runs * rates.job_writes


def evenly(ticks: float, per_minute: float, jobs: int) -> Load:
    """So many runs a minute, spread over the ticks as evenly as they can be."""
    runs = per_minute * MINUTES_A_DAY
    return Load(ticks, min(ticks, runs), runs, jobs)


def declared(env: Environment, jobs: Iterable[Job], now: datetime) -> Load:
    """A day of these jobs' schedules, on average over the next week; paused ones do not run."""
    until = now + timedelta(days=COUNTED_DAYS)
    ticks = ticks_between(env.cadence, env.time_zone, now, until)
    busy: set[int] = set()
    runs = count = 0
    for job in jobs:
        count += 1
        if job.paused:
            continue
        found = [_tick_of(slot, ticks) for slot in slots_between(job, now, until)]
        # Slots that one tick finds are one run, unless the job wants each of them.
        runs += len(found) if job.misfire == RUN_ALL else len(set(found))
        busy.update(found)
    days = COUNTED_DAYS
    return Load(len(ticks) / days, len(busy) / days, runs / days, count)


def _tick_of(slot: datetime, ticks: tuple[datetime, ...]) -> int:
    """The number of the first tick that finds the slot due."""
    return bisect_left(ticks, slot)


def rates_of(idle: tuple[int, int, int], busy: tuple[int, int, int], runs: int) -> Rates:
    """From (ticks, reads, writes) of idle ticks and of those that ran jobs; what is not known is
    as documented."""
    ticks, reads, writes = idle
    idle_reads = reads / ticks if ticks else DOCUMENTED.idle_reads
    idle_writes = writes / ticks if ticks else DOCUMENTED.idle_writes
    if not runs:
        return Rates(idle_reads, idle_writes)
    count, read, written = busy
    return Rates(
        idle_reads,
        idle_writes,
        max(0.0, read - count * (idle_reads - 1)) / runs,
        max(0.0, written - count * idle_writes) / runs,
    )


def exhausted_at(free: float, base: float, each: float) -> float:
    """Runs a minute at which `free` a day are used up; infinite where runs use none of them."""
    return math.inf if each <= 0 else max(0.0, free - base) / each / MINUTES_A_DAY

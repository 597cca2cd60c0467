"""What the ticks cost in a month: from what they read and wrote, and how often they come.

`project` is arithmetic; `measure` reads the tick lines of the log. Cloud Run and network are not in
it, nor what others do in the same database, which shares the free quota.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from emonk_ops.errors import NotFound
from emonk_ops.operations.analysis.documents import TOLD, documents_of
from emonk_ops.operations.cadence import slots_between
from emonk_ops.operations.load import DOCUMENTED, Load, Rates, rates_of
from emonk_ops.operations.prices import (
    DAYS_A_MONTH,
    FIRESTORE,
    FREE_A_DAY,
    FREE_SCHEDULER_JOBS,
    FREE_STORED_GIB,
    SCHEDULER_JOB_A_MONTH,
    STORED_GIB_A_MONTH,
    UNIT,
)
from emonk_ops.operations.tick_window import COMPLETED, of_service
from emonk_ops.ports import LogEntry
from emonk_ops.toolbox import Toolbox

COUNTED_DAYS = 7
GIB = 2**30
# A job's document with its last 20 runs and the two index entries, rounded up.
BYTES_A_JOB = 4096


@dataclass(frozen=True, slots=True)
class Measured:
    """Documents that one slot of the cadence reads and writes, on average over `ticks` ticks.

    In shadow mode a slot has a tick on each path. `billed` says whether Firestore's bill was
    counted; otherwise the ticks ran on another store, and it is what Firestore would count. `runs`
    are those of jobs in a slot.
    """

    reads: float
    writes: float
    ticks: int
    billed: bool
    runs: float = 0.0
    busy: float = 0.0  # the share of slots with something due
    rates: Rates = DOCUMENTED


@dataclass(frozen=True, slots=True)
class Projection:
    """A month, the twelfth of a year, in US dollars beyond what is free."""

    slots_a_day: float
    reads_a_day: float
    writes_a_day: float
    firestore_usd: float
    deletes_usd_at_most: float
    scheduler_usd: float
    storage_usd: float = 0.0

    @property
    def total_usd(self) -> float:
        """All of it, finished one-off jobs deleted after 30 days included."""
        firestore = self.firestore_usd + self.deletes_usd_at_most + self.storage_usd
        return firestore + self.scheduler_usd

    @property
    def free_reads_used(self) -> float:
        """Share of a day's free reads; above 1 they cost."""
        return self.reads_a_day / FREE_A_DAY.reads

    @property
    def free_writes_used(self) -> float:
        """Share of a day's free writes; above 1 they cost."""
        return self.writes_a_day / FREE_A_DAY.writes


def project(
    measured: Measured,
    slots_a_day: float,
    *,
    location: str = "regional",
    free: bool = True,
    scheduler_jobs: int = 1,
    stored_jobs: int = 0,
) -> Projection:
    """The month that follows from `measured`. Raises KeyError for an unknown location.

    `free=False` is for a database other than the project's free one, and for an account whose
    three free Cloud Scheduler jobs are others. Each finished one-off job is a TTL delete, which is
    never free; at most every second write finishes one.
    """
    price = FIRESTORE[location]
    reads, writes = measured.reads * slots_a_day, measured.writes * slots_a_day
    paid_reads = max(0.0, reads - (FREE_A_DAY.reads if free else 0))
    paid_writes = max(0.0, writes - (FREE_A_DAY.writes if free else 0))
    paid_jobs = max(0, scheduler_jobs - (FREE_SCHEDULER_JOBS if free else 0))
    stored = stored_jobs * BYTES_A_JOB / GIB
    paid_gib = max(0.0, stored - (FREE_STORED_GIB if free else 0))
    a_day = (paid_reads * price.reads + paid_writes * price.writes) / UNIT
    return Projection(
        slots_a_day=slots_a_day,
        reads_a_day=reads,
        writes_a_day=writes,
        firestore_usd=a_day * DAYS_A_MONTH,
        deletes_usd_at_most=writes / 2 * price.deletes / UNIT * DAYS_A_MONTH,
        scheduler_usd=paid_jobs * SCHEDULER_JOB_A_MONTH,
        storage_usd=paid_gib * STORED_GIB_A_MONTH[location],
    )


def slots_a_day(cadence: str, time_zone: str, now: datetime) -> float:
    """How often the cadence comes round, on average over the next week."""
    slots = slots_between(cadence, time_zone, now, now + timedelta(days=COUNTED_DAYS))
    return len(slots) / COUNTED_DAYS


def measure(tools: Toolbox, *, hours: float) -> Measured:
    """What the ticks of the last `hours` read and wrote. Raises NotFound where there were none."""
    since = tools.clock.now() - timedelta(hours=hours)
    query = f'{of_service(tools.env)} AND jsonPayload.message="{COMPLETED}"'
    found = averaged(tools.logs.entries(query, since=since))
    if found is None:
        raise NotFound(
            f"no tick of {tools.env.service.name} in the log since {since:%Y-%m-%d %H:%M:%S}Z "
            f"tells what it read and wrote ({', '.join(TOLD)})",
            hint=f"emonk-ops logs ticks --env {tools.env.name}",
        )
    return found


def averaged(entries: Iterable[LogEntry]) -> Measured | None:
    """The average of the tick lines, each path by itself; None where none tells. One pass."""
    paths: dict[str, Counter[str]] = {}
    for entry in entries:
        touched = documents_of(entry.payload)
        if touched is None:
            continue
        runs = int(entry.payload.get("jobs_executed") or 0)
        path = paths.setdefault(str(entry.payload.get("path", "")), Counter())
        path.update(
            ticks=1, reads=touched.reads, writes=touched.writes, runs=runs, billed=touched.billed
        )
        if runs:
            path.update(busy=1, busy_reads=touched.reads, busy_writes=touched.writes)
    if not paths:
        return None
    return _measured(list(paths.values()))


def _measured(paths: list[Counter[str]]) -> Measured:
    def a_slot(name: str) -> float:
        return sum(one[name] / one["ticks"] for one in paths)

    total = sum(paths, Counter[str]())
    busy = (total["busy"], total["busy_reads"], total["busy_writes"])
    every = (total["ticks"], total["reads"], total["writes"])
    idle = (every[0] - busy[0], every[1] - busy[1], every[2] - busy[2])
    return Measured(
        reads=a_slot("reads"),
        writes=a_slot("writes"),
        ticks=total["ticks"],
        billed=total["billed"] > 0,
        runs=a_slot("runs"),
        busy=min(1.0, a_slot("busy")),
        rates=rates_of(idle, busy, total["runs"]),
    )


def of_load(load: Load, rates: Rates) -> Measured:
    """What a slot would read and write under this load."""
    ticks = max(load.ticks, 1.0)
    return Measured(
        reads=load.reads(rates) / ticks,
        writes=load.writes(rates) / ticks,
        ticks=0,
        billed=False,
        runs=load.runs / ticks,
        busy=load.busy / ticks,
        rates=rates,
    )

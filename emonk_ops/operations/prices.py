"""Google's list prices in US dollars: the one place where they stand, with the day they were noted.

https://cloud.google.com/firestore/pricing has the free quota, which is a day's and covers no TTL
deletes; https://cloud.google.com/scheduler/pricing bills jobs and not executions;
https://cloud.google.com/run/pricing bills instances by the second. The regional prices are those of
us-central1 (Firestore's Standard edition, Cloud Run's tier 1); others cost up to about twice as
much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

NOTED_ON = date(2026, 11, 24)
UNIT = 100_000
DAYS_A_MONTH = 365 / 12
SECONDS_A_MONTH = DAYS_A_MONTH * 86_400


@dataclass(frozen=True, slots=True)
class Documents:
    """Reads, writes and deletes: how many, or what 100,000 of them cost."""

    reads: float
    writes: float
    deletes: float


@dataclass(frozen=True, slots=True)
class Instance:
    """A second of one vCPU and of one GiB of memory: dollars, or how many a month are free."""

    cpu: float
    memory: float


FIRESTORE = {
    "regional": Documents(reads=0.03, writes=0.09, deletes=0.01),
    "multi-region": Documents(reads=0.06, writes=0.18, deletes=0.02),
}
FREE_A_DAY = Documents(reads=50_000, writes=20_000, deletes=20_000)
STORED_GIB_A_MONTH = {"regional": 0.15, "multi-region": 0.18}
FREE_STORED_GIB = 1.0
SCHEDULER_JOB_A_MONTH = 0.10
FREE_SCHEDULER_JOBS = 3
# An instance that is kept warm and has nothing to do, billed by request; and one billed as such.
WARM = Instance(cpu=0.0000025, memory=0.0000025)
ALWAYS_ON = Instance(cpu=0.000018, memory=0.000002)
FREE_ALWAYS_ON = Instance(cpu=240_000, memory=450_000)

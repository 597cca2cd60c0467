"""Google's list prices in US dollars: the one place where they stand, with the day they were noted.

https://cloud.google.com/firestore/pricing has the free quota, which is a day's and covers no TTL
deletes; https://cloud.google.com/scheduler/pricing bills jobs and not executions. The regional
prices are those of us-central1 in the Standard edition; others cost up to about twice as much.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

NOTED_ON = date(2026, 11, 24)
UNIT = 100_000
DAYS_A_MONTH = 365 / 12


@dataclass(frozen=True, slots=True)
class Documents:
    """Reads, writes and deletes: how many, or what 100,000 of them cost."""

    reads: float
    writes: float
    deletes: float


FIRESTORE = {
    "regional": Documents(reads=0.03, writes=0.09, deletes=0.01),
    "multi-region": Documents(reads=0.06, writes=0.18, deletes=0.02),
}
FREE_A_DAY = Documents(reads=50_000, writes=20_000, deletes=20_000)
SCHEDULER_JOB_A_MONTH = 0.10
FREE_SCHEDULER_JOBS = 3

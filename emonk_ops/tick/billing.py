"""What Firestore bills for a tick: every document read and written on its behalf.

The bill of the tick is in the context that its tasks inherit, so that each call counts for the tick
that made it, whatever else the instance does. Stores that nobody bills leave it empty.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Bill:
    """Documents read and written. An empty query, and a document that is not there, are one read.

    A write that lost its precondition is counted too; whether it is billed is not documented.
    """

    reads: int = 0
    writes: int = 0

    @property
    def fields(self) -> dict[str, Any]:
        """As a tick's report names them."""
        return {"billed_reads": self.reads, "billed_writes": self.writes}


_CURRENT: ContextVar[Bill | None] = ContextVar("bill", default=None)


def open_bill() -> Bill:
    """Begin a bill; what this task and those it starts do from now on goes on it."""
    bill = Bill()
    _CURRENT.set(bill)
    return bill


def charge(*, reads: int = 0, writes: int = 0) -> None:
    """Put it on the bill of whoever asks; nothing happens where none was opened."""
    bill = _CURRENT.get()
    if bill is not None:
        bill.reads += reads
        bill.writes += writes

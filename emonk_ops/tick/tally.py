"""The counts of a tick while it runs."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from emonk_ops.tick.driver import Driver
from emonk_ops.tick.meter import StorageMeter
from emonk_ops.tick.ticks import COUNTERS, TickReport


class Tally:
    """Adds up what happens in one tick and gives the report at its end."""

    def __init__(self, opened: float) -> None:
        self._opened = opened
        self._handlers = 0
        self._handling_since = 0.0
        self._handled_seconds = 0.0
        self.counts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.lag_seconds = 0.0
        self.more_due = False
        self.poll_failed = False

    def add(self, counter: str, by: int = 1) -> None:
        self.counts[counter] += by

    def handler_began(self, monotonic: float, slot: datetime, now: datetime) -> None:
        self.add("jobs_executed")
        self.lag_seconds = max(self.lag_seconds, (now - slot).total_seconds())
        if self._handlers == 0:
            self._handling_since = monotonic
        self._handlers += 1

    def handler_ended(self, monotonic: float) -> None:
        self._handlers -= 1
        if self._handlers == 0:
            self._handled_seconds += monotonic - self._handling_since

    def report(
        self, monotonic: float, meter: StorageMeter, driver: Driver, *, tick_id: str, path: str
    ) -> TickReport:
        """The report, as things stand."""
        duration = monotonic - self._opened
        record = driver.record
        counters: dict[str, Any] = {name: self.counts[name] for name in COUNTERS}
        return TickReport(
            **counters,
            lag_seconds=round(self.lag_seconds, 3),
            duration_ms=round(duration * 1000, 3),
            overhead_ms=round((duration - self._handled_seconds) * 1000, 3),
            storage_ops=meter.operations,
            storage_reads=meter.reads,
            storage_writes=meter.writes,
            storage_errors=meter.errors,
            storage_latency_ms=meter.latency_ms,
            errors_by_type=dict(self.errors),
            more_due=self.more_due,
            tick_id=tick_id,
            path=path,
            driver=None if record is None else record.driver,
            epoch=0 if record is None else record.epoch,
            poll_failed=self.poll_failed,
        )

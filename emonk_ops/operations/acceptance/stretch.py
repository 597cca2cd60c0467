"""A stretch of expected ticks, and all that was counted in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from emonk_ops.operations.analysis.records import Numbers, Request, Tick

MOST_EXAMPLES = 5


@dataclass
class SlotSeen:
    """What was seen of one expected tick; `before` is where the time that it stands for begins."""

    at: datetime
    before: datetime
    request: Request | None = None
    tick: Tick | None = None

    @property
    def seconds(self) -> float:
        return (self.at - self.before).total_seconds()

    @property
    def seen(self) -> bool:
        return self.request is not None and self.tick is not None

    @property
    def healthy(self) -> bool:
        """Answered, and run to its end by the service that drives."""
        request, tick = self.request, self.tick
        if request is None or tick is None:
            return False
        return request.status == 200 and tick.kind == "completed" and tick.executed


@dataclass
class Counted:
    """The sums over a stretch. Lists hold examples, `latencies` and `durations` all seconds."""

    expected: int = 0
    arrived: int = 0  # at the service, by the request log
    told: int = 0  # by the service's own lines
    missing: list[datetime] = field(default_factory=list)  # seen by nobody
    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    ticks_failed: int = 0  # not 200, or failed, save for those that only met transient errors
    ticks_transient: int = 0
    not_executed: int = 0
    loop_ticks: int = 0
    due: int = 0
    executed: int = 0
    succeeded: int = 0
    failed: int = 0
    dead: int = 0
    stale: int = 0
    lost_race: int = 0
    storage_ops: int = 0
    reads: int = 0  # documents, of the ticks that tell
    writes: int = 0
    ticks_with_cost: int = 0  # those that tell, and
    ticks_billed: int = 0  # of them by Firestore's bill
    transient: int = 0
    lasting: int = 0
    worst_lag_seconds: float = 0.0
    late: list[str] = field(default_factory=list)
    late_count: int = 0
    doubled: list[str] = field(default_factory=list)
    doubled_count: int = 0
    overlapping: list[str] = field(default_factory=list)
    overlapping_count: int = 0
    runs_told: int = 0  # executing lines

    def settle(self, slot: SlotSeen) -> None:
        """Count an expected tick whose time is over."""
        self.expected += 1
        request, tick = slot.request, slot.tick
        if request is not None:
            self.arrived += 1
            self.statuses[request.status] += 1
            self.latencies.append(request.latency_seconds)
        if tick is not None:
            self.told += 1
            self.durations.append(tick.duration_ms / 1000)
        if request is None and tick is None:
            self.missing.append(slot.at)
        if self._only_transient(slot):
            self.ticks_transient += 1
        elif slot.seen and not slot.healthy:
            self.ticks_failed += 1

    def add(self, numbers: Numbers) -> None:
        """Count what a tick counted."""
        self.due += numbers.due
        self.executed += numbers.executed
        self.succeeded += numbers.succeeded
        self.failed += numbers.failed
        self.dead += numbers.dead
        self.stale += numbers.stale
        self.lost_race += numbers.lost_race
        self.storage_ops += numbers.storage_ops
        self.transient += numbers.transient
        self.lasting += numbers.lasting
        self.worst_lag_seconds = max(self.worst_lag_seconds, numbers.lag_seconds)
        if numbers.reads is not None and numbers.writes is not None:
            self.reads += numbers.reads
            self.writes += numbers.writes
            self.ticks_with_cost += 1
            self.ticks_billed += numbers.billed

    def _only_transient(self, slot: SlotSeen) -> bool:
        if slot.healthy or slot.tick is None or slot.tick.numbers is None:
            return False
        return slot.tick.numbers.transient > 0 and slot.tick.numbers.lasting == 0


@dataclass
class Stretch:
    """`since` (without) to `until` (with): expected ticks, and what was counted at them."""

    since: datetime
    until: datetime
    slots: list[SlotSeen] = field(default_factory=list)
    counted: Counted = field(default_factory=Counted)
    lines_lost: int = 0

    @property
    def covered_seconds(self) -> float:
        """Of healthy ticks that were seen; nothing where lines are lost, or no due job ended."""
        if self.lines_lost or (self.counted.due and not self.counted.succeeded):
            return 0.0
        return sum(slot.seconds for slot in self.slots if slot.healthy)


def example(found: list[str], text: str) -> None:
    """Keep the first few."""
    if len(found) < MOST_EXAMPLES:
        found.append(text)

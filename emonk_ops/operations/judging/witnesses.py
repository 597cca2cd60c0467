"""Who saw which tick: Cloud Scheduler's executions, the platform's request log, the service."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from emonk_ops.operations.analysis.records import CRON, LOOP, Attempt, Request, Tick
from emonk_ops.operations.cadence import slots_after
from emonk_ops.operations.judging.rules import Rules

ARRIVAL = timedelta(seconds=120)  # executions and request lines come in late, and out of order
REMEMBERED_TICKS = 1_000
SCHEDULER, REQUESTS, SERVICE = "scheduler executions", "request log", "service log"
ALL = (SCHEDULER, REQUESTS, SERVICE)
MOST_EXAMPLES = 5


@dataclass(slots=True)
class _Slot:
    at: datetime
    seen: Counter[str] = field(default_factory=Counter)


class Witnesses:
    """Feed it records in their order; each expected tick is settled once its time is over.

    `missed` no witness saw; `disputed` some saw and others did not, by who did not. `totals` are
    what each saw at the expected ticks; requests at another time are `off_slot`.
    """

    def __init__(self, rules: Rules, tick_path: str) -> None:
        self._rules = rules
        self._patience = rules.patience
        self._path = tick_path
        self._ahead = self._expected(rules.cadence, rules.time_zone)
        self._next = next(self._ahead, None)
        self._open: deque[_Slot] = deque()
        self._tick_ids: dict[str, None] = {}
        self.totals: Counter[str] = Counter()
        self.expected = 0
        self.agreed = 0
        self.missed: list[datetime] = []
        self.missed_count = 0
        self.disputed: Counter[str] = Counter()
        self.repeated = 0
        self.off_slot = 0
        self.answered = 0
        self.refused: Counter[int] = Counter()
        self.loop_ticks = 0
        self.loop_expected = sum(1 for _ in self._expected(rules.cadence, "UTC"))

    def _expected(self, cadence: str, zone: str) -> Iterator[datetime]:
        begin = self._rules.begin - timedelta(microseconds=1)
        for slot in slots_after(cadence, zone, begin):
            if slot + self._patience >= self._rules.end:
                return
            yield slot

    def feed(self, told: Tick | Request | Attempt) -> None:
        self.advance(told.at)
        if isinstance(told, Tick):
            self._tick(told)
        elif isinstance(told, Attempt):
            if told.scheduled is not None:
                self._saw(SCHEDULER, told.scheduled)
        elif told.by_scheduler and told.path == self._path:
            self._saw(REQUESTS, told.at)
            if told.at >= self._rules.begin:
                self.answered += told.status < 400
                if told.status >= 400:
                    self.refused[told.status] += 1

    def close(self) -> None:
        """The window ends."""
        self.advance(self._rules.end + ARRIVAL + self._patience)

    def advance(self, now: datetime) -> None:
        while self._next is not None and self._next <= now:
            self._open.append(_Slot(self._next))
            self._next = next(self._ahead, None)
        while self._open and self._open[0].at + self._patience + ARRIVAL < now:
            self._settle(self._open.popleft())

    def _tick(self, told: Tick) -> None:
        if told.tick_id and told.tick_id in self._tick_ids:
            return
        self._tick_ids[told.tick_id] = None
        if len(self._tick_ids) > REMEMBERED_TICKS:
            del self._tick_ids[next(iter(self._tick_ids))]
        if told.path == LOOP:
            self.loop_ticks += self._rules.begin <= told.at < self._rules.end
        elif told.path == CRON:
            self._saw(SERVICE, told.at)

    def _saw(self, witness: str, at: datetime) -> None:
        slot = next((one for one in reversed(self._open) if one.at <= at), None)
        if slot is None or at >= slot.at + self._patience:
            inside = self._rules.begin <= at < self._rules.end
            self.off_slot += inside and witness == REQUESTS
            return
        slot.seen[witness] += 1

    def _settle(self, slot: _Slot) -> None:
        self.expected += 1
        blind = [name for name in ALL if not slot.seen[name]]
        self.repeated += slot.seen[REQUESTS] > 1
        for name in ALL:
            self.totals[name] += slot.seen[name]
        if not blind and slot.seen[SERVICE] > slot.seen[REQUESTS]:
            self.disputed[f"the {REQUESTS}, of another caller"] += 1
        elif not blind and slot.seen[REQUESTS] > slot.seen[SCHEDULER]:
            self.disputed[f"the {SCHEDULER}, of another caller"] += 1
        elif not blind:
            self.agreed += 1
        elif len(blind) == len(ALL):
            self.missed_count += 1
            if len(self.missed) < MOST_EXAMPLES:
                self.missed.append(slot.at)
        else:
            self.disputed[f"the {', '.join(blind)}"] += 1

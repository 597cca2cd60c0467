"""The slots as the records go by: opened, closed when their time is over, counted by class."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from emonk_ops.operations.analysis.coverage import Coverage
from emonk_ops.operations.analysis.records import Decision, Effect, Tick
from emonk_ops.operations.job_audit import changed_until
from emonk_ops.operations.job_slots import ends_of, slots_between
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.operations.judging.samples import Pairs
from emonk_ops.operations.judging.slots import (
    BREACHES,
    CERTAIN,
    SlotClass,
    SlotFacts,
    class_of,
    missed_by,
)
from emonk_ops.tick.jobs import Job

MOST_EXAMPLES = 5
SHADOW = "shadow"
Key = tuple[str, datetime]


class _Plan:
    """One job: its expected slots to come, and the stretches that were folded into later runs."""

    def __init__(self, job: Job, rules: Rules) -> None:
        self.job = job
        self.slots = slots_between(job, rules.begin, rules.end)
        self.changed = changed_until(job)
        self.on_record = {slot for run in job.recent for slot in ends_of(job, run)}
        self.folded: list[tuple[datetime, datetime, datetime, str]] = []
        self.timed = _period(job) >= rules.grace_seconds

    def fold(self, told: Decision, behind: datetime) -> None:
        at = told.slot + timedelta(seconds=told.lateness_seconds)
        self.folded.append((told.first_slot or told.slot, behind, at, told.owner))

    def folded_at(self, slot: datetime) -> tuple[datetime, str] | None:
        """When the slot was folded into another, and who owned it."""
        self.folded = [one for one in self.folded if one[1] > slot]
        return next(((at, owner) for first, _, at, owner in self.folded if first <= slot), None)


class Ledger:
    """Feed it the records in their order, then `close`."""

    def __init__(self, jobs: Iterable[Job], rules: Rules, coverage: Coverage) -> None:
        self._rules = rules
        self._coverage = coverage
        self._plans = {job.id: _Plan(job, rules) for job in jobs}
        self._open: dict[Key, SlotFacts] = {}
        self._deadlines: list[tuple[datetime, int, str, datetime]] = []
        self.classes: Counter[SlotClass] = Counter()
        self.examples: dict[SlotClass, list[str]] = {}
        self.undefined: Counter[str] = Counter()
        self.recovered = 0
        self.unshadowed = 0
        self._unshadowed: deque[datetime] = deque()
        self.effects = 0
        self.pairs = Pairs()
        for plan in self._plans.values():
            self._expect_next(plan)

    @property
    def horizon_seconds(self) -> float:
        """How long behind a slot it is known how it went."""
        return self._rules.horizon.total_seconds()

    @property
    def judged(self) -> int:
        """Slots of which it is known how they went."""
        aside = (SlotClass.EDGE, SlotClass.FOLDED, SlotClass.EXTRA, SlotClass.INCOMPLETE)
        return self.classes.total() - sum(self.classes[name] for name in aside)

    def feed(self, told: Decision | Effect) -> None:
        self.advance(told.at)
        facts = self._facts(told.job_id, told.slot)
        if isinstance(told, Effect):
            self.effects += 1
            facts.effects[told.key] += 1
            return
        facts.note(told)
        plan = self._plans.get(told.job_id)
        if plan is None:
            return
        if told.decision == "skip":
            plan.fold(told, (told.through or told.slot) + timedelta(microseconds=1))
        elif told.first_slot is not None and told.decision in ("claim", "takeover"):
            plan.fold(told, told.slot)

    def tick(self, told: Tick) -> None:
        """Note who drove: slots are told of only while both paths do."""
        if told.kind != "completed" or told.driver in ("", SHADOW):
            return
        self.unshadowed += told.at >= self._rules.begin
        self._unshadowed.append(told.at)
        while self._unshadowed[0] < told.at - 2 * self._rules.horizon:
            self._unshadowed.popleft()

    def advance(self, now: datetime) -> None:
        """Close every slot whose time is over at `now`."""
        while self._deadlines and self._deadlines[0][0] <= now:
            self._settle(*heapq.heappop(self._deadlines)[1:], over=True)

    def close(self) -> None:
        """The window ends: what is still open is at its edge, save for what is certain already."""
        self.advance(self._rules.end)
        while self._deadlines:
            self._settle(*heapq.heappop(self._deadlines)[1:], over=False)

    def _facts(self, job_id: str, slot: datetime) -> SlotFacts:
        key = (job_id, slot)
        facts = self._open.get(key)
        if facts is None:
            facts = self._open[key] = SlotFacts(job_id, slot)
            heapq.heappush(self._deadlines, (slot + self._rules.horizon, 1, job_id, slot))
        return facts

    def _expect_next(self, plan: _Plan) -> None:
        slot = next(plan.slots, None)
        if slot is not None:
            entry = (slot + self._rules.horizon, 0, plan.job.id, slot)
            heapq.heappush(self._deadlines, entry)

    def _settle(self, unexpected: int, job_id: str, slot: datetime, *, over: bool) -> None:
        plan = self._plans.get(job_id)
        if not unexpected and plan is not None:
            self._expect_next(plan)
            facts = self._open.pop((job_id, slot), None)
            self._count(self._class(plan, slot, facts, over=over), job_id, slot, facts)
            return
        facts = self._open.pop((job_id, slot), None)
        if facts is not None:
            self._count(self._class_of_unexpected(plan, slot, facts), job_id, slot, facts)

    def _class(
        self, plan: _Plan, slot: datetime, facts: SlotFacts | None, *, over: bool
    ) -> SlotClass:
        found = SlotClass.LOST if facts is None else class_of(facts)
        if found in CERTAIN:
            return found
        if not over or (plan.changed is not None and slot <= plan.changed):
            return SlotClass.EDGE
        if found is not SlotClass.LOST:
            return found
        folded = plan.folded_at(slot)
        if folded is not None:
            at, owner = folded
            late = (at - slot).total_seconds() > self._rules.punctual_seconds
            return missed_by(owner) if late else SlotClass.FOLDED
        if self._one_drove(slot):
            return SlotClass.EDGE
        if (plan.job.paused or plan.job.state == "cancelled") and slot >= plan.job.slot:
            return SlotClass.EDGE
        unlogged = slot in plan.on_record or self._lines_missing(slot)
        return SlotClass.INCOMPLETE if unlogged else SlotClass.LOST

    def _class_of_unexpected(
        self, plan: _Plan | None, slot: datetime, facts: SlotFacts
    ) -> SlotClass:
        if plan is None:
            self.undefined[facts.job_id] += bool(facts.executions)
            found = class_of(facts)
            return found if found in CERTAIN else SlotClass.EDGE
        known = self._rules.begin <= slot < self._rules.end
        changed = plan.changed is not None and slot <= plan.changed
        if not known or changed or not facts.executions:
            found = class_of(facts)
            return found if found in CERTAIN else SlotClass.EDGE
        return SlotClass.EXTRA

    def _one_drove(self, slot: datetime) -> bool:
        begin = slot - timedelta(seconds=self._rules.interval_seconds)
        end = slot + timedelta(seconds=self._rules.punctual_seconds)
        return any(begin <= at <= end for at in self._unshadowed)

    def _lines_missing(self, slot: datetime) -> bool:
        until = slot + self._rules.horizon
        heard = self._coverage.heard_until
        # Whether the service was silent or its log, the witnesses of the ticks can tell.
        if heard is None or heard < slot + timedelta(seconds=self._rules.punctual_seconds):
            return True
        gaps = self._coverage.gaps(self._rules.begin)
        return any(begin <= until and slot <= end for begin, end, _ in gaps)

    def _count(
        self, found: SlotClass, job_id: str, slot: datetime, facts: SlotFacts | None
    ) -> None:
        self.classes[found] += 1
        if found in BREACHES or found in (SlotClass.INCOMPLETE, SlotClass.MISSED_BY_LEGACY):
            shown = self.examples.setdefault(found, [])
            if len(shown) < MOST_EXAMPLES:
                shown.append(f"{job_id} {slot:%Y-%m-%dT%H:%M:%SZ}")
        if found is SlotClass.ONE_WINNER and facts is not None and facts.winner is not None:
            self.recovered += len(facts.executions) > 1
            if facts.winner.path == facts.owner:
                self.pairs.add(facts, facts.winner, timed=self._plans[job_id].timed)


def _period(job: Job) -> float:
    """Seconds between the slot in hand and the next; a one-off has no end of them."""
    following = job.schedule.following(job.slot)
    return float("inf") if following is None else (following - job.slot).total_seconds()

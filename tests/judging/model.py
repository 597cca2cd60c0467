"""A service in shadow as its log tells of it: records of so many hours, with defects planted.

Durations are log-normal: each job has a level of its own (sd 0.5), each run its noise (sd 0.25).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from emonk_ops.operations.analysis.records import (
    CRON,
    LOOP,
    Attempt,
    Decision,
    Effect,
    Record,
    Request,
    Tick,
)
from emonk_ops.operations.judging.rules import Rules
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
BREACHES = ("missed by ticks", "lost", "doubled", "effect doubled", "early", "extra", "no tick")
LOSSES = ("one line lost", "5 % of lines lost", "last quarter lost", "request log lost")
TENDENCIES = ("late", "slower x1.5", "slower x2", "error burst")
DEFECTS = ("none", *BREACHES, *LOSSES, *TENDENCIES)


@dataclass
class World:
    """`minutes` is the cadence; each job has a slot every two of it."""

    seed: int
    minutes: int = 1
    hours: float = 1.0
    jobs: int = 4
    defect: str = "none"
    begin: datetime = BEGIN
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self.rng = random.Random(f"{self.seed}/{self.minutes}/{self.defect}")
        self.period = timedelta(minutes=2 * self.minutes)
        self.levels = [200.0 * 2.718 ** self.rng.gauss(0, 0.5) for _ in range(self.jobs)]
        whole = self.rules().end - self.begin - self.rules().horizon
        self.chosen = self.rng.randrange(1, int(whole / self.period) - 1)
        self.chosen_job = self.rng.randrange(self.jobs)

    def rules(self) -> Rules:
        """The window is longer by what its edge cannot judge."""
        fit = Rules(
            self.begin, self.begin, f"*/{self.minutes} * * * *", interval_seconds=60 * self.minutes
        )
        end = self.begin + timedelta(hours=self.hours) + fit.horizon
        return Rules(self.begin, end, fit.cadence, interval_seconds=fit.interval_seconds)

    def definitions(self) -> tuple[Job, ...]:
        line = f"*/{2 * self.minutes} * * * *"
        return tuple(self._definition(f"job-{number}", line) for number in range(self.jobs))

    def _definition(self, name: str, line: str) -> Job:
        schedule = Schedule(line=line)
        created = self.begin - timedelta(days=1)
        slot = schedule.first(self.rules().end)
        return Job(name, "log", schedule, {}, JobState.SCHEDULED, slot, slot, created)

    def records(self) -> list[Record]:
        """In order of their instants, and numbered."""
        found = sorted(self._told(), key=lambda one: one.at)
        numbered = [self.numbered(one) for one in found]
        return list(self._with_losses(numbered))

    def numbered(self, one: Record) -> Record:
        """The record with the next number of its instance, where it has one."""
        if not isinstance(one, (Tick, Decision)):
            return one
        self.numbers[one.instance] += 1
        return one._replace(sequence=self.numbers[one.instance])

    def _told(self) -> Iterator[Record]:
        end, count = self.rules().end, 0
        slot = self.begin
        while slot < end:
            gone = self.defect == "no tick" and count == 2 * self.chosen
            yield from self._ticks(slot, gone=gone)
            slot, count = slot + timedelta(minutes=self.minutes), count + 1
        for job in range(self.jobs):
            slot, number = self.begin, 0
            while slot < end:
                yield from self._run(job, number, slot)
                slot, number = slot + self.period, number + 1

    def _ticks(self, slot: datetime, *, gone: bool) -> Iterator[Record]:
        yield Tick(slot, "i", 0, "running", LOOP, f"l{slot:%d%H%M}", "r", 0.0)
        yield Tick(_at(slot, 2), "i", 0, "completed", LOOP, f"l{slot:%d%H%M}", "r", 9.0)
        if gone:
            return
        reached = _at(slot, self.rng.gauss(5.6, 0.3))
        yield Attempt(_at(reached, 3), slot, 0)
        yield Attempt(_at(reached, 2), None, 200)
        yield Request(reached, "/cron/tick", "POST", 200, 2.0, True)
        yield Tick(_at(reached, 0.03), "i", 0, "running", CRON, f"c{slot:%d%H%M}", "r", 0.0)
        yield Tick(_at(reached, 2), "i", 0, "completed", CRON, f"c{slot:%d%H%M}", "r", 9.0)

    def _run(self, job: int, number: int, slot: datetime) -> Iterator[Record]:
        owner = CRON if (number + job) % 2 else LOOP
        other = LOOP if owner == CRON else CRON
        late = self.rng.gauss(5.7, 0.3) if owner == CRON else self.rng.uniform(0.05, 0.3)
        took = self.levels[job] * 2.718 ** self.rng.gauss(0, 0.25)
        took *= self._factor() if owner == CRON else 1.0
        outcome, path, claim = "succeeded", owner, "claim"
        if self.defect == "late" and owner == CRON:
            late += 0.7 * 60 * self.minutes
        if self.defect == "error burst" and owner == CRON and self._in_burst(slot):
            outcome = "failed" if self.rng.random() < 0.8 else outcome
        chosen = job == self.chosen_job and number in (self.chosen, self.chosen + 1)
        chosen = chosen and owner == CRON
        if chosen and self.defect == "lost":
            return
        if chosen and self.defect == "early":
            late = -3.0
        if chosen and self.defect == "missed by ticks":
            late, path, claim = 60.0 * self.minutes + 31, LOOP, "takeover"
        step = _Step(f"job-{job}", owner, slot, late, took)
        yield step.told("defer", other, 0, 0.1)
        yield from step.run(claim, path, 1, outcome)
        if outcome == "failed":
            yield from _Step(f"job-{job}", owner, slot, late + 33, took).run("claim", path, 2)
        if chosen:
            yield from self._again(step, path)

    def _again(self, step: _Step, path: str) -> Iterator[Record]:
        if self.defect == "doubled":
            yield from _Step(step.job_id, step.owner, step.slot, 20, 9).run("claim", path, 2)
        if self.defect == "effect doubled":
            yield step.effect(5)
        if self.defect == "extra":
            off = step.slot + timedelta(seconds=30)
            yield from _Step(step.job_id, step.owner, off, 3, 9).run("claim", path, 7)

    def _factor(self) -> float:
        return {"slower x1.5": 1.5, "slower x2": 2.0}.get(self.defect, 1.0)

    def _in_burst(self, slot: datetime) -> bool:
        share = (slot - self.begin) / timedelta(hours=self.hours)
        return 0.2 <= share < 0.6

    def _with_losses(self, told: list[Record]) -> Iterator[Record]:
        ours = [place for place, one in enumerate(told) if isinstance(one, (Tick, Decision))]
        gone: set[int] = set()
        if self.defect == "one line lost":
            gone = {self.rng.choice(ours[1:-1])}
        elif self.defect == "5 % of lines lost":
            gone = set(self.rng.sample(ours[1:-1], len(ours) // 20))
        elif self.defect == "last quarter lost":
            gone = set(ours[len(ours) * 3 // 4 :])
        elif self.defect == "request log lost":
            gone = {place for place, one in enumerate(told) if isinstance(one, Request)}
        return (one for place, one in enumerate(told) if place not in gone)


@dataclass(frozen=True)
class _Step:
    job_id: str
    owner: str
    slot: datetime
    late: float
    took_ms: float

    def told(self, decision: str, path: str, fence: int, late: float, **more: Any) -> Decision:
        return Decision(
            _at(self.slot, late), "i", 0, decision, path, self.owner, self.job_id, self.slot,
            late, fence, **more,
        )  # fmt: skip

    def run(
        self, claim: str, path: str, fence: int, outcome: str = "succeeded"
    ) -> Iterator[Record]:
        over = self.late + self.took_ms / 1000
        yield self.told(claim, path, fence, self.late)
        yield self.told("execute", path, fence, self.late + 0.01)
        if fence == 1 and outcome == "succeeded":
            yield self.effect(self.late + 0.02)
        yield self.told("end", path, fence, over, outcome=outcome, duration_ms=self.took_ms)

    def effect(self, late: float) -> Effect:
        key = f"{self.job_id}:{self.slot.isoformat()}"
        return Effect(_at(self.slot, late), "i", self.job_id, self.slot, key)


def _at(moment: datetime, seconds: float) -> datetime:
    return moment + timedelta(seconds=seconds)

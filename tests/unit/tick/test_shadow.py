from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emonk_ops.tick.driver import Path, Seat
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState, Lease
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.shadow import grace_of, owner_of
from emonk_ops.tick.storage import DueAfter, DuePage, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
DELIVERY_SECONDS = 5.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Slow(MemoryStorage):
    """Each poll takes `seconds`."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        super().__init__(clock)
        self._manual = clock
        self._seconds = seconds

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        self._manual.leap(self._seconds)
        return await super().read_due(limit, after)


class Both:
    """One instance with both paths; Cloud Scheduler's tick comes 5 s after the loop's."""

    def __init__(
        self,
        cadence_minutes: int = 1,
        *,
        shadow: bool = True,
        page: int = 200,
        slow_seconds: float = 0,
    ) -> None:
        self.clock = ManualClock()
        self.storage = Slow(self.clock, slow_seconds)
        self.lines: list[str] = []
        self.cadence_minutes = cadence_minutes
        self.failing: set[str] = set()
        registry = HandlerRegistry()
        registry.handler("note")(self._note)
        registry.handler("stubborn")(self._stubborn)
        self.over = asyncio.Event()
        self.scheduler = CronScheduler(
            self.storage,
            clock=self.clock,
            log=Log(self.clock, self.lines.append),
            registry=registry,
            limits=Limits(page=page),
            seat=Seat(revision="r1", loop=True, shadow=shadow),
            cadence=f"*/{cadence_minutes} * * * *",
            instance="r1/one",
        )

    async def _note(self, context: HandlerContext) -> None:
        if context.job_id in self.failing:
            raise ValueError("told to fail")

    async def _stubborn(self, _context: HandlerContext) -> None:
        while not self.over.is_set():
            try:
                await self.clock.sleep_until(self.clock.now() + timedelta(days=1))
            except asyncio.CancelledError:
                continue

    async def start(self) -> Both:
        await self.scheduler.engine.driver.begin()
        await self.scheduler.start()
        return self

    async def live(self, cadences: int, *, loop: bool = True, cron: bool = True) -> None:
        if not loop:
            await self.scheduler.stop_loop()
        for _ in range(cadences):
            await self.clock.advance(60 * self.cadence_minutes - DELIVERY_SECONDS)
            await self.clock.advance(DELIVERY_SECONDS)
            if cron:
                await self.tick()

    async def tick(self, path: Path = Path.CRON) -> TickReport:
        return await self.scheduler.run_tick(path)

    async def job(
        self, job_id: str, every: float | None = 60, job_type: str = "note", **options: Any
    ) -> Job:
        when: dict[str, Any] = {"schedule": Schedule(every=every)}
        if every is None:
            when = {"schedule_at": self.clock.now()}
        return await self.scheduler.schedule_job(
            job_type=job_type, job_id=job_id, **when, **options
        )

    async def owned_by(self, path: Path, count: int, job_type: str = "note") -> list[str]:
        """Ids of one-off jobs, due now, whose slot `path` owns."""
        found: list[str] = []
        number = 0
        while len(found) < count:
            number += 1
            job = one_off(f"{path.value}-{number}")
            if owner_of(job) is path:
                found.append((await self.job(job.id, None, job_type)).id)
        return found

    def said(self, message: str) -> list[dict[str, Any]]:
        entries = (json.loads(line) for line in self.lines)
        return [entry for entry in entries if entry["message"] == message]

    def decisions(self, *kinds: str) -> list[dict[str, Any]]:
        return [e for e in self.said("Scheduler decision") if e["decision"] in kinds]

    def runs(self) -> Counter[str]:
        return Counter(entry["path"] for entry in self.decisions("execute"))


def one_off(job_id: str, ordinal: int = 0) -> Job:
    return Job(
        id=job_id,
        type="note",
        schedule=Schedule(at=EPOCH),
        payload={},
        state=JobState.SCHEDULED,
        slot=EPOCH,
        due_at=EPOCH,
        created_at=EPOCH,
        ordinal=ordinal,
    )


def accounted(job: Job, first: datetime, every: float) -> None:
    """Every slot from the first to the one in hand ended in some way, once."""
    passed = round((job.slot - first).total_seconds() / every)
    ended = sum(job.counts.get(end, 0) for end in ("succeeded", "dead", "skipped", "coalesced"))
    assert ended == passed


# who owns what


def test_the_owner_changes_with_every_slot_and_one_off_jobs_are_spread() -> None:
    jobs = [one_off(f"job-{number}") for number in range(1000)]
    assert 440 < sum(owner_of(job) is Path.LOOP for job in jobs) < 560
    for job in jobs[:50]:
        assert owner_of(job) is not owner_of(one_off(job.id, ordinal=1))


@pytest.mark.parametrize(
    ("cadence", "seconds"),
    [
        ("* * * * *", 90),
        ("*/5 * * * *", 330),
        ("*/7 * * * *", 450),
        ("0 * * * *", 3630),
        ("0 9 * * *", 86430),
    ],
)
def test_the_grace_is_the_longest_pause_of_the_cadence_and_half_a_minute(
    cadence: str, seconds: float
) -> None:
    assert grace_of(cadence, datetime(2026, 1, 5, 12, 1, tzinfo=UTC)) == seconds


# both paths alive


async def test_each_path_runs_every_other_slot_and_none_is_run_twice() -> None:
    both = await Both().start()
    first = (await both.job("steady")).slot
    await both.live(40)
    runs = both.decisions("execute")
    assert [run["slot"] for run in runs] == sorted({run["slot"] for run in runs})
    assert both.runs() == {"loop": 20, "cron": 20}
    assert {a["path"] != b["path"] for a, b in itertools.pairwise(runs)} == {True}
    assert both.decisions("takeover", "lost") == []
    accounted(await both.scheduler.job("steady"), first, 60)


@pytest.mark.parametrize("policy", ["run_once", "run_all", "skip"])
@pytest.mark.parametrize("cadence", [1, 5])
@pytest.mark.parametrize("every", [20.0, 60.0, 120.0, 150.0, 300.0, 420.0, 900.0])
async def test_whatever_is_missed_both_paths_go_on_taking_turns(
    policy: str, cadence: int, every: float
) -> None:
    both = await Both(cadence).start()
    first = (await both.job("steady", every, misfire=policy, grace_seconds=200)).slot
    await both.live(240 // cadence)
    keys = Counter(run["idempotency_key"] for run in both.decisions("execute"))
    assert set(keys.values()) == {1}
    runs = both.runs()
    # Slots that all have to run pile up while the paths take turns, and then outlast the grace.
    behind = policy == "run_all" and every < 60 * cadence
    if behind:
        assert min(runs["loop"], runs["cron"]) >= 200 // cadence
    else:
        assert abs(runs["loop"] - runs["cron"]) <= max(1, 0.1 * runs.total())
        assert both.decisions("takeover") == []
    assert both.decisions("lost") == []
    accounted(await both.scheduler.job("steady"), first, every)


async def test_one_off_jobs_of_one_instant_are_shared_out() -> None:
    both = await Both().start()
    for number in range(200):
        await both.job(f"once-{number}", None)
    await both.live(1)
    assert both.runs().total() == 200
    assert 70 < both.runs()["loop"] < 130
    assert both.decisions("takeover") == []


# one path alive


@pytest.mark.parametrize("dead", [Path.CRON, Path.LOOP])
async def test_the_other_path_takes_everything_over_after_the_grace_and_not_before(
    dead: Path,
) -> None:
    both = await Both().start()
    slots = {f"job-{number}": (await both.job(f"job-{number}", 600)).slot for number in range(10)}
    await both.live(60, loop=dead is not Path.LOOP, cron=dead is not Path.CRON)
    alive = "loop" if dead is Path.CRON else "cron"
    assert set(both.runs()) == {alive}
    taken = both.decisions("takeover")
    assert {90 < one["lateness_seconds"] <= 150 for one in taken} == {True}
    assert len(taken) in range(25, 36)
    for job_id, first in slots.items():
        job = await both.scheduler.job(job_id)
        accounted(job, first, 600)
        assert job.counts == {"succeeded": job.ordinal}


@pytest.mark.parametrize("policy", ["run_once", "run_all", "skip"])
async def test_a_job_quicker_than_the_grace_goes_on_with_one_path_alone(policy: str) -> None:
    both = await Both().start()
    first = (await both.job("quick", 60, misfire=policy)).slot
    await both.live(60, cron=False)
    job = await both.scheduler.job("quick")
    accounted(job, first, 60)
    assert job.counts["succeeded"] >= 20
    assert (both.clock.now() - job.slot).total_seconds() <= 120


async def test_the_path_that_comes_back_has_its_turn_again() -> None:
    both = await Both().start()
    await both.job("steady", 300)
    await both.live(30, cron=False)
    both.lines.clear()
    await both.live(60)
    assert abs(both.runs()["loop"] - both.runs()["cron"]) <= 1
    assert len(both.decisions("takeover")) <= 1


# polls


async def test_a_page_full_of_the_other_paths_jobs_hides_nothing() -> None:
    both = await Both(page=3).start()
    others = await both.owned_by(Path.LOOP, 10)
    mine = await both.owned_by(Path.CRON, 2)
    report = await both.tick()
    assert (report.jobs_succeeded, report.deferred) == (2, 10)
    assert {one["job_id"] for one in both.decisions("claim")} == set(mine)
    # Each job was read once, and the last page was short.
    assert report.storage_reads <= len(others) + len(mine) + 1
    assert (await both.tick(Path.LOOP)).jobs_succeeded == 10


async def test_a_deferred_slot_is_mentioned_once() -> None:
    both = await Both().start()
    (job_id,) = await both.owned_by(Path.LOOP, 1)
    for _ in range(5):
        assert (await both.tick()).deferred == 1
    (line,) = both.decisions("defer")
    assert (line["job_id"], line["path"], line["owner"]) == (job_id, "cron", "loop")


async def test_catching_up_reads_the_other_paths_jobs_once_and_not_with_every_slot() -> None:
    both = await Both().start()
    await both.job("steady", 60, misfire="run_all")
    both.clock.leap(80)
    await both.owned_by(Path.LOOP, 50)
    report = await both.tick()
    assert report.deferred >= 50
    assert report.storage_reads <= 2 * 51 + 1


async def test_polls_end_with_the_ticks_time_even_if_nothing_of_it_is_ones_own() -> None:
    both = await Both(page=1, slow_seconds=20).start()
    await both.owned_by(Path.LOOP, 10)
    report = await both.tick()
    assert (report.more_due, report.jobs_checked) == (True, 3)


# attempts


async def test_a_retry_stays_with_the_path_that_owns_the_slot() -> None:
    both = await Both().start()
    await both.job("shaky", 3600)
    both.failing.add("shaky")
    await both.live(63)
    attempts = [(run["path"], run["attempt"]) for run in both.decisions("execute")]
    assert [attempt for _, attempt in attempts] == [1, 2, 3]
    assert len({path for path, _ in attempts}) == 1
    ends = both.decisions("end")
    assert {(end["outcome"], end["error_type"]) for end in ends} == {("failed", "ValueError")}
    assert (await both.scheduler.job("shaky")).ordinal == 1


async def test_a_slot_that_its_owner_lost_is_rescued_by_whoever_comes_first() -> None:
    both = await Both().start()
    await both.owned_by(Path.LOOP, 1)
    (polled,) = (await both.storage.read_due(10)).jobs
    lease = Lease("gone", "r1/gone", both.clock.now() + timedelta(seconds=300))
    await both.storage.write([Write(claim(polled.job, lease), polled.version)])
    await both.scheduler.stop_loop()
    await both.clock.advance(301)
    assert (await both.tick()).rescued == 1
    (taken,) = both.decisions("takeover")
    assert (taken["rescued"], taken["path"]) == (True, "cron")


async def test_a_pause_is_carried_out_by_either_path() -> None:
    both = await Both().start()
    (job_id,) = await both.owned_by(Path.LOOP, 1)
    await both.scheduler.change(job_id, lambda job: replace(job, paused=True))
    await both.tick()
    assert (await both.scheduler.job(job_id)).due_at is None
    assert both.decisions("skip", "dead", "defer") == []


# log lines


async def test_tick_and_decision_lines_are_numbered_without_a_gap() -> None:
    both = await Both().start()
    await both.job("steady")
    await both.job("other", 120)
    await both.live(10)
    numbered = [json.loads(line) for line in both.lines if '"sequence"' in line]
    assert [one["sequence"] for one in numbered] == list(range(1, len(numbered) + 1))
    assert {one["instance"] for one in numbered} == {"one"}
    kinds = {"Running scheduler tick", "Scheduler tick completed", "Scheduler decision"}
    assert {one["message"] for one in numbered} == kinds


async def test_a_decision_says_all_that_a_judge_needs() -> None:
    both = await Both().start()
    await both.job("steady", 300)
    both.clock.leap(301)
    await both.tick(owner_of(await both.scheduler.job("steady")))
    claim, execute, end = both.decisions("claim", "execute", "end")
    slot = (datetime(2026, 1, 5, 12, 5, tzinfo=UTC)).strftime("%Y-%m-%dT%H:%M:%S")
    for line in (claim, execute, end):
        assert line["slot"].startswith(slot)
        assert line["idempotency_key"] == f"steady:{line['slot']}"
        assert (line["fence"], line["attempt"], line["ordinal"]) == (1, 1, 0)
        assert (line["revision"], line["path"]) == ("r1", line["owner"])
        assert line["lateness_seconds"] == 1.0
        assert line["tick_id"] == claim["tick_id"]
    assert (end["outcome"], end["duration_ms"]) == ("succeeded", 0.0)


async def test_a_handler_that_heeds_nothing_ends_as_stuck() -> None:
    both = await Both().start()
    await both.owned_by(Path.CRON, 1, "stubborn")
    tick = both.clock.start(both.tick())
    await both.clock.advance(60)
    await tick
    (end,) = both.decisions("end")
    assert (end["outcome"], end["error_type"], end["duration_ms"]) == (
        "stuck",
        "HandlerStuck",
        55_000.0,
    )
    both.over.set()


async def test_where_one_path_drives_nothing_is_deferred_and_nothing_said() -> None:
    both = await Both(shadow=False).start()
    for number in range(20):
        await both.job(f"once-{number}", None)
    assert (await both.tick(Path.LOOP)).jobs_succeeded == 20
    assert both.said("Scheduler decision") == []


async def test_a_changed_declaration_moves_the_ordinal_on() -> None:
    both = await Both(shadow=False).start()
    registry = both.scheduler.engine.registry
    registry.declare("kept", type="note", schedule={"every": 60})
    await both.scheduler.ensure_declared()
    await both.live(4)
    assert (await both.scheduler.job("kept")).ordinal == 4
    again = HandlerRegistry()
    again.declare("kept", type="note", schedule={"every": 90})
    await CronScheduler(both.storage, clock=both.clock, registry=again).ensure_declared()
    assert (await both.scheduler.job("kept")).ordinal == 5

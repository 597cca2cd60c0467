"""What binds first, what the budget is enough for, and what changes cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from emonk_ops.errors import NotFound, UsageError
from emonk_ops.operations.estimate import Asked, estimate
from emonk_ops.operations.load import DOCUMENTED, Load, Rates, evenly
from emonk_ops.operations.what_if import Case, affordable, always_on_usd, changes, quotas
from emonk_ops.settings import Environment
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.world import SERVICE_ENV
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule
from emonk_ops.toolbox import Toolbox

EACH_MINUTE = evenly(1440, 1.0, 1)


def tick(world: InMemoryWorld, runs: int) -> None:
    world.write(
        "Scheduler tick completed",
        path="cron",
        jobs_executed=runs,
        billed_reads=1 + max(1, runs),
        billed_writes=2 * runs,
    )


def declare(world: InMemoryWorld, *lines: str) -> None:
    now = world.clock.now()
    for number, text in enumerate(lines):
        schedule = Schedule(line=text)
        slot = schedule.first(now)
        job = Job(f"job-{number}", "log", schedule, {}, JobState.SCHEDULED, slot, slot, now)
        world.store.jobs[job.id] = job.to_dict()


def test_the_free_writes_end_first_and_where() -> None:
    first, second = quotas(Case(EACH_MINUTE, DOCUMENTED))
    assert (first.name, second.name) == ("writes", "reads")
    # 20,000 writes at two a run; 50,000 reads, of which each tick's driver record takes one.
    assert first.per_minute == pytest.approx(10_000 / 1440)
    assert second.per_minute == pytest.approx((50_000 - 1440) / 1440)


def test_a_service_that_reads_much_ends_the_free_reads_first() -> None:
    """One that loads all its 40 jobs at each tick has none left for a run."""
    first, _ = quotas(Case(EACH_MINUTE, Rates(idle_reads=41.0)))
    assert (first.name, first.per_minute) == ("reads", 0.0)


@pytest.mark.parametrize(("location", "runs"), [("regional", 62), ("multi-region", 36)])
def test_the_budget_is_enough_for(location: str, runs: float) -> None:
    """Firestore's share by the list is enough for 65 and 38 without the deletes and the driver."""
    case = Case(EACH_MINUTE, DOCUMENTED, location)
    assert affordable(case, 5.0) == pytest.approx(runs, rel=0.1)
    assert affordable(case, 1e9) == float("inf")
    assert affordable(Case(EACH_MINUTE, DOCUMENTED, scheduler_jobs=100), 5.0) == 0.0


def test_each_change_has_its_price() -> None:
    found = {one.name: one for one in changes(Case(EACH_MINUTE, DOCUMENTED))}
    assert found["cadence */5 * * * *"].more_usd <= 0
    assert found["ten times the jobs"].usd > 0.2
    assert found["free quota used by others"].more_usd == pytest.approx(
        (2 * 1440 * 0.03 + 2 * 1440 * 0.09) / 100_000 * 365 / 12 + 0.1, abs=0.001
    )
    assert found["min-instances 1, idle between ticks"].more_usd == pytest.approx(9.86, abs=0.01)
    assert always_on_usd() == pytest.approx(44.7, abs=0.1)


def test_a_million_stored_jobs_cost_their_storage() -> None:
    month = Case(Load(1440, 0, 0, 1_000_000), DOCUMENTED).month
    assert month.storage_usd == pytest.approx((1_000_000 * 4096 / 2**30 - 1) * 0.15)
    assert month.total_usd == pytest.approx(month.storage_usd)


def test_measured_ticks_are_the_basis_where_there_are_some(
    tools: Toolbox, world: InMemoryWorld
) -> None:
    for runs in (0, 0, 0, 2):
        tick(world, runs)
    found = estimate(tools, Asked())
    assert (found.source, found.measured.ticks) == ("measured", 4)
    assert found.load.runs == pytest.approx(288 / 2)
    assert found.measured.rates == DOCUMENTED


def test_before_a_rollout_the_declared_jobs_are(tools: Toolbox, world: InMemoryWorld) -> None:
    world.store.jobs.clear()
    declare(world, "*/5 * * * *", "0 * * * *")
    found = estimate(tools, Asked())
    assert (found.source, found.load.jobs) == ("declared", 2)
    assert found.load.runs == pytest.approx(288 + 24)
    assert found.load.busy == pytest.approx(288)
    declare(world, "* * * * *", "*/30 * * * *")
    assert estimate(tools, Asked()).load.runs == pytest.approx(288 + 48)  # a run a tick, not more
    declare(world, "*/5 * * * *", "0 * * * *")
    with_more = estimate(tools, Asked(jobs=20))
    assert with_more.source == "asked for"
    assert with_more.load.runs == pytest.approx(10 * found.load.runs)


def test_a_load_can_be_asked_for_without_any_service(tools: Toolbox) -> None:
    found = estimate(tools, Asked(jobs=50, per_minute=10))
    assert (found.source, found.load.jobs) == ("asked for", 50)
    assert found.month.writes_a_day == pytest.approx(28_800)
    with pytest.raises(UsageError, match="no job runs so often"):
        estimate(tools, Asked(jobs=0, per_minute=10))


def test_nothing_known_is_said_with_what_helps(env: Environment, tmp_path: Path) -> None:
    without_admin = {name: one for name, one in SERVICE_ENV.items() if name != "ADMIN_USERS"}
    tools = Toolbox(env, InMemoryPorts(InMemoryWorld(without_admin)), tmp_path)
    with pytest.raises(NotFound, match="and the jobs are not known") as silent:
        estimate(tools, Asked())
    assert "--per-minute" in silent.value.hint

"""Short courses of events, each aimed at one mistake that a scheduler can make.

Each begins with two instances, `a` and `b`, both with the defect under test or both without. A
sound service survives all of them; which defect needs which scenario is in `AIMED_AT`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.chaos.points import AFTER_CLAIM, AFTER_EFFECT, is_armed
from tests.chaos.population import QUICK, Kind
from tests.chaos.storm import Run

WITHIN_SECONDS = 20.0
SKEW = 600.0


def one(name: str, work: float = 0.02) -> Kind:
    """A job for one instant near the present."""
    return Kind(name, 1, None, {"work": work}, QUICK)


async def death_after_the_effect(run: Run) -> None:
    """`a` dies between effect and record, `b` takes the job over once the lease is over."""
    await run.population.create(one("deadly"))
    armed = run.fleet.arm("a", AFTER_EFFECT, "kill")
    await _tick_until(run, "a", lambda: not is_armed(armed))
    await _wait_lease(run)
    await _tick_until_ended(run, "b")


async def rivals(run: Run) -> None:
    """Both are ticked at the same moment, again and again, over the same due jobs."""
    for number in range(3):
        await run.population.create(Kind(f"rival-{number}", 8, None, {"work": 0.3}, QUICK))
        await _due(run)
        await asyncio.gather(run.fleet.tick("a"), run.fleet.tick("b"))
    await _tick_until_ended(run, "a")


async def lost_claim(run: Run) -> None:
    """The claim of `a` is made, and its answer lost; `b` is there too."""
    await run.population.create(one("lost", 0.3))
    await _due(run)
    run.fleet.arm("a", "write", "lose")
    await run.fleet.tick("a")
    await _wait_lease(run)
    await _tick_until_ended(run, "b")


async def refused_claim(run: Run) -> None:
    """The claim of `a` never arrives, and `b` is ticked next."""
    await run.population.create(one("refused", 0.3))
    await _due(run)
    run.fleet.arm("a", "write", "refuse")
    await asyncio.gather(run.fleet.tick("a"), _later(0.15, lambda: run.fleet.tick("b")))
    await _wait_lease(run)
    await _tick_until_ended(run, "b")


async def wrong_clock(run: Run) -> None:
    """The clock of `b` is ten minutes ahead, and `b` is ticked while `a` works."""
    await run.fleet.end()
    for name, skew in (("a", 0.0), ("b", SKEW)):
        await run.fleet.start(name, skew=skew)
    await run.population.create(one("slow", 0.6))
    await _due(run)
    await asyncio.gather(run.fleet.tick("a"), _later(0.25, lambda: run.fleet.tick("b")))
    await _tick_until_ended(run, "a")


async def sleep_before_the_handler(run: Run) -> None:
    """`a` stands still between its claim and the handler until `b` has done the job."""
    await run.population.create(one("asleep"))
    await _overtaken(run, AFTER_CLAIM)


async def sleep_before_the_record(run: Run) -> None:
    """`a` stands still between effect and record until `b` has done the job."""
    await run.population.create(one("stale"))
    await _overtaken(run, AFTER_EFFECT)


async def long_handler(run: Run) -> None:
    """`a` works for most of its lease, and `b` is ticked meanwhile."""
    await run.population.create(one("busy", 0.6))
    await _due(run)
    await asyncio.gather(run.fleet.tick("a"), _later(0.3, lambda: run.fleet.tick("b")))
    await _tick_until_ended(run, "b")


async def every_second(run: Run) -> None:
    """A recurring job, for some slots."""
    await run.population.create(Kind("second", 1, {"every": 1}, {}))
    for _ in range(12):
        await run.fleet.tick("a")
        await asyncio.sleep(0.3)


Scenario = Callable[[Run], Awaitable[None]]
AIMED_AT: dict[str, tuple[Scenario, str]] = {
    "fence": (death_after_the_effect, "fence given twice"),
    "precondition": (rivals, "two live leases"),
    "unclear-is-lost": (lost_claim, "lease abandoned"),
    "unclear-is-won": (refused_claim, "fence given twice"),
    "own-wall-clock": (wrong_clock, "two live leases"),
    "lease-check": (sleep_before_the_handler, "begun after its lease"),
    "compare-and-set": (sleep_before_the_record, "stale result on record"),
    "early-release": (long_handler, "given back while running"),
    "silent-slot": (every_second, "slot lost"),
}


async def _overtaken(run: Run, point: str) -> None:
    armed = run.fleet.arm("a", point, "stop")
    ticking = asyncio.create_task(_tick_until(run, "a", lambda: not is_armed(armed)))
    await _gone(armed)
    await _wait_lease(run)
    await _tick_until_ended(run, "b")
    run.fleet.resume("a")
    await ticking


async def _gone(armed: Path) -> None:
    give_up = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while is_armed(armed):
        assert asyncio.get_running_loop().time() < give_up, f"nobody passed {armed.name}"
        await asyncio.sleep(0.02)


async def _due(run: Run) -> None:
    """Until every one-off job is due, by the store's clock."""
    jobs = await run.population.look()
    slots = [job.slot for job in jobs if not job.schedule.recurs and job.due_at is not None]
    if slots:
        left = max(slots) - await run.population.storage.clock()
        await asyncio.sleep(max(0.0, left.total_seconds()) + 0.05)


async def _wait_lease(run: Run) -> None:
    await asyncio.sleep(run.fleet.timing.lease + 0.1)


async def _tick_until(run: Run, name: str, done: Callable[[], bool]) -> None:
    give_up = asyncio.get_running_loop().time() + WITHIN_SECONDS
    while not done():
        assert asyncio.get_running_loop().time() < give_up, f"ticks of {name} lead nowhere"
        await run.fleet.tick(name)
        await asyncio.sleep(0.05)


async def _tick_until_ended(run: Run, name: str) -> None:
    """Until every one-off job has ended, or some time has passed: a defect may prevent it."""
    seconds = 3 * run.fleet.timing.lease if run.fleet.defect else WITHIN_SECONDS
    give_up = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < give_up:
        await run.fleet.tick(name)
        if all(job.due_at is None for job in await run.population.look()):
            return
        await asyncio.sleep(0.05)


async def _later(seconds: float, call: Callable[[], Awaitable[object]]) -> None:
    await asyncio.sleep(seconds)
    await call()

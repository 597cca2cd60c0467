"""A run: a fleet on one store, a storm over it, then calm, and what became of every job."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from pathlib import Path

from emonk_ops.tick.errors import JobConflict, StorageError
from emonk_ops.tick.instants import to_text
from tests.chaos.backends import Backend, FirestoreBackend, JsonBackend
from tests.chaos.facts import History, history_of
from tests.chaos.fleet import Fleet, Timing, fleet
from tests.chaos.journal import Journal
from tests.chaos.points import NAMED, is_armed
from tests.chaos.population import ONE_OFF, RECURRING, Population

FAULT_RATE = 0.06
# A transaction that its process left behind has its lock for a minute.
CALM_WITHIN_SECONDS = 120.0
MOST_TICKS = 24
MOST_READS = 100
CLOSE_SECONDS = 0.02
SKEWS = (600.0, -600.0, 0.0)


@dataclass(frozen=True)
class Run:
    """Everything a scenario works with."""

    folder: Path
    fleet: Fleet
    backend: Backend
    population: Population
    journal: Journal
    rng: random.Random

    @property
    def history(self) -> History:
        return history_of(self.folder)

    async def settle(self) -> datetime:
        """Write down that all slots up to now have to be accounted for from here on."""
        at = await self.population.storage.clock()
        self.journal.write("settled", at=to_text(at))
        return at


@asynccontextmanager
async def run_on(
    folder: Path, seed: str, timing: Timing, firestore: str | None = None
) -> AsyncIterator[Run]:
    """A run on a job file, or on the Firestore at this address."""
    journal = Journal(folder / "history.jsonl", tag="harness")
    rng = random.Random(seed)
    backend: Backend
    if firestore is None:
        backend = JsonBackend(folder)
    else:
        backend = FirestoreBackend(firestore, journal, random.Random(f"{seed}:wire"))
    storage = backend.direct()
    await storage.open()
    population = Population(storage, journal, rng)
    try:
        await measure_clock(population, journal)
        async with fleet(folder, journal, backend, seed, timing) as ships:
            yield Run(folder, ships, backend, population, journal, rng)
    finally:
        await storage.close()
        await backend.close()
        journal.close()


async def measure_clock(population: Population, journal: Journal) -> None:
    """How far the store's clock is ahead of the host's monotonic one, within CLOSE_SECONDS."""
    low, high = float("-inf"), float("inf")
    for _ in range(MOST_READS):
        asked = time.monotonic()
        page = await population.storage.read_due(1)
        answered = time.monotonic()
        low = max(low, page.read_time.timestamp() - answered)
        high = min(high, page.read_time.timestamp() - asked)
        if high - low < CLOSE_SECONDS:
            break
    journal.write("clock", offset=(low + high) / 2, width=high - low)


class Storm:
    """What happens to a fleet until `until`, by the seed."""

    def __init__(self, run: Run, names: tuple[str, ...], seconds: float) -> None:
        self._run = run
        self._names = names
        self._until = time.monotonic() + seconds
        self._busy: set[str] = set()
        self._starts: dict[str, int] = dict.fromkeys(names, 0)
        self._ticks: set[asyncio.Task[object]] = set()
        self._deck: list[Callable[[str], Awaitable[None]]] = []

    @property
    def over(self) -> bool:
        return time.monotonic() >= self._until

    async def rage(self) -> None:
        """Everything at once, until the time is up."""
        run = self._run
        for kind in (*RECURRING, *ONE_OFF):
            await run.population.create(kind)
        await asyncio.gather(*(self._start(name) for name in self._names))
        run.backend.fail(FAULT_RATE)
        works = (
            self._tick,
            self._look,
            self._create,
            self._replace,
            self._meddle,
            self._strike,
            self._strike,
        )
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(self._repeat(work))
        await asyncio.gather(*self._ticks)

    async def _repeat(self, work: Callable[[], Awaitable[None]]) -> None:
        while not self.over:
            await work()

    async def _start(self, name: str) -> None:
        """Every start of an instance may have a clock that is wrong in another way."""
        run = self._run
        turn = self._starts[name] + self._names.index(name)
        self._starts[name] += 1
        skew = SKEWS[turn % len(SKEWS)] if run.backend.skews else 0.0
        await run.fleet.start(name, skew=skew)

    async def _tick(self) -> None:
        """One tick, or the same one delivered to several instances at once."""
        rng = self._run.rng
        names = rng.sample(self._names, rng.choice((1, 1, 2, len(self._names))))
        if len(self._ticks) < MOST_TICKS:
            for name in names:
                # An instance that stands still keeps its ticks waiting, and nobody else's.
                tick = asyncio.create_task(self._run.fleet.tick(name))
                self._ticks.add(tick)
                tick.add_done_callback(self._ticks.discard)
        await asyncio.sleep(rng.uniform(0.05, 0.3))

    async def _look(self) -> None:
        try:
            await self._run.population.look()
        except StorageError:
            # A process that was stopped in the midst of a write still has the lock of the file.
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.7)

    async def _create(self) -> None:
        await asyncio.sleep(self._run.rng.uniform(0.1, 0.6))
        await self._run.population.create_any()

    async def _meddle(self) -> None:
        await asyncio.sleep(self._run.rng.uniform(0.5, 2.0))
        try:
            await self._run.population.meddle()
        except (StorageError, JobConflict):
            # Nobody waits for it; what stays paused is resumed in the end.
            return

    async def _replace(self) -> None:
        for name in self._run.fleet.gone():
            await self._start(name)
        await asyncio.sleep(0.2)

    async def _strike(self) -> None:
        """One blow, at an instance that has none at the moment."""
        rng = self._run.rng
        await asyncio.sleep(rng.uniform(0.5, 2.0))
        free = [name for name in self._names if name not in self._busy]
        if len(free) < 2:
            return
        name = rng.choice(free)
        if not self._deck:
            # Drawn like cards, so that a short storm has one of each too.
            self._deck = [self._kill, self._terminate, self._stop, self._cut_off]
            self._deck += [self._point] * 2
            rng.shuffle(self._deck)
        blow = self._deck.pop()
        self._busy.add(name)
        try:
            await blow(name)
        finally:
            self._busy.discard(name)

    async def _kill(self, name: str) -> None:
        self._run.fleet.kill(name)

    async def _terminate(self, name: str) -> None:
        self._run.fleet.terminate(name)

    async def _stop(self, name: str) -> None:
        lease = self._run.fleet.timing.lease
        self._run.fleet.stop(name)
        await asyncio.sleep(self._run.rng.choice((0.3, lease + 0.5)))
        self._run.fleet.resume(name)

    async def _point(self, name: str) -> None:
        rng, lease = self._run.rng, self._run.fleet.timing.lease
        action = rng.choice(("kill", "stop"))
        armed = self._run.fleet.arm(name, rng.choice(NAMED), action)
        give_up = time.monotonic() + lease
        while is_armed(armed) and time.monotonic() < give_up:  # noqa: ASYNC110 - a file tells
            await asyncio.sleep(0.05)
        armed.unlink(missing_ok=True)
        if action == "stop":
            await asyncio.sleep(lease + rng.uniform(-0.5, 1.0))
            self._run.fleet.resume(name)

    async def _cut_off(self, name: str) -> None:
        self._run.backend.fail(1.0, name)
        await asyncio.sleep(self._run.rng.uniform(0.3, 1.5))
        self._run.backend.fail(FAULT_RATE, name)


async def calm(run: Run, names: tuple[str, ...]) -> None:
    """No more faults; ticks until every slot up to now has ended, then SIGTERM to all."""
    run.backend.fail(0.0)
    run.fleet.disarm()
    for name in names:
        run.fleet.resume(name)
    for name in run.fleet.gone():
        await run.fleet.start(name)
    begun = time.monotonic()
    now = await run.settle()
    for name in cycle(names):
        await run.fleet.tick(name)
        if await _all_ended(run, now) or time.monotonic() - begun > CALM_WITHIN_SECONDS:
            break
        for gone in run.fleet.gone():
            await run.fleet.start(gone)
        await asyncio.sleep(0.1)
    await run.fleet.end()
    await run.population.look()


async def _all_ended(run: Run, now: datetime) -> bool:
    try:
        jobs = await run.population.look()
        if any(job.paused for job in jobs):
            await run.population.resume_all()
            return False
    except (StorageError, JobConflict):
        return False
    return all(job.slot > now if job.schedule.recurs else job.due_at is None for job in jobs)


async def storm(run: Run, names: tuple[str, ...], seconds: float) -> History:
    """The whole of it: `seconds` of storm, calm, and the history."""
    await Storm(run, names, seconds).rage()
    await calm(run, names)
    return run.history

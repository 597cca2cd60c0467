"""One instance of the service in the world: the real scheduler on a loop and a clock of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from emonk_ops.tick import logs
from emonk_ops.tick.clock import Clock
from emonk_ops.tick.driver import Path, Seat
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import StorageError, TickError
from emonk_ops.tick.handlers import HandlerRegistry
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.ticks import TickReport
from tests.simulation.handlers import Flaky, registry_of
from tests.simulation.history import History
from tests.simulation.store import SimulatedServer, SimulatedStorage, Weather
from tests.simulation.world import InstanceClock, InstanceLoop, World, close

EXECUTING = logs.EXECUTING_JOB.partition("{")[0]
GRACES = (0.0, 0.5, 6.0)
RECORDING_SECONDS = 1.5
Hear = Callable[[str, Mapping[str, Any]], None]


class HeardLog(Log):
    """Hands each entry on as it is; nothing is written."""

    def __init__(self, clock: Clock, hear: Hear, constant: Mapping[str, Any] | None = None) -> None:
        super().__init__(clock, lambda _: None, constant)
        self._hear = hear

    def bind(self, **constant: Any) -> Log:
        return HeardLog(self._clock, self._hear, {**self._constant, **constant})

    def error(self, message: str, exception: BaseException | None = None, /, **fields: Any) -> None:
        self._entry("ERROR", message, fields)

    def _entry(self, severity: str, message: str, fields: Mapping[str, Any]) -> None:
        self._hear(message, {**self._constant, **fields})


class AuditedScheduler(CronScheduler):
    """The scheduler, each of whose reports is looked at."""

    def __init__(self, audit: Callable[[TickReport], None], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._audit = audit

    async def run_tick(self, path: Path = Path.CRON) -> TickReport:
        report = await super().run_tick(path)
        self._audit(report)
        return report


@dataclass(frozen=True)
class Household:
    """What all instances of a run share."""

    world: World
    server: SimulatedServer
    history: History
    weather: Weather
    limits: Limits
    storage: type[SimulatedStorage]


class Instance:
    """Boots by itself; dies, is frozen, or is asked to end."""

    def __init__(
        self, house: Household, name: str, seat: Seat, *, skew: int, novel: bool = True
    ) -> None:
        self.world = house.world
        self.server = house.server
        self.history = house.history
        self.name = name
        self.seat = seat
        self.loop = InstanceLoop(house.world)  # type: ignore[abstract]
        house.history.loops[name] = self.loop
        self.clock = InstanceClock(house.world, self.loop, skew)
        self.storage = house.storage(house.server, self.loop, house.weather, name)
        self.storage.clock_of_instance = self.clock
        self.registry: HandlerRegistry = registry_of(self, novel=novel)
        self.scheduler = AuditedScheduler(
            self._audit,
            self.storage,
            clock=self.clock,
            log=HeardLog(self.clock, self._hear),
            registry=self.registry,
            limits=house.limits,
            seat=seat,
            rng=random.Random(house.world.rng.getrandbits(32)),
            instance=name,
        )
        self.stopping = False
        self.calm = False
        self._works: list[Coroutine[Any, Any, Any]] = []
        self.on_death: Callable[[], None] = lambda: None
        self.on_start: Callable[[], None] = lambda: None
        self._quiet_epoch = 0

    @property
    def alive(self) -> bool:
        return not self.loop.dead

    def calm_down(self) -> None:
        """Go on, if it was frozen, and know every job type from here on."""
        self.calm = True
        self.loop.freeze(0)
        self.registry.include(registry_of(self, novel=True))

    def start(self, work: Coroutine[Any, Any, Any]) -> None:
        """Run `work` in this instance; what it raises is no news if it is an error of ours."""
        if not self.alive:
            close(work)
            return
        self._works.append(work)
        self.loop.create_task(_tolerated(work))

    async def boot(self) -> None:
        """As the service does it: try until the storage answers, and begin the loop meanwhile."""
        if self.seat.loop or self.seat.shadow:
            await self.scheduler.start()
        while True:
            try:
                return await self.scheduler.engine.driver.begin()
            except StorageError:
                await self.clock.sleep_until(self.clock.now() + timedelta(seconds=1))

    def die(self, why: str) -> None:
        """At once, holding whatever it holds."""
        if self.alive:
            self.world.say(f"{self.name} dies: {why}")
            self.history.seen[f"death: {why}"] += 1
            self.loop.stop_dead()
            self.world.after(0, self.bury)
            self.on_death()

    def bury(self) -> None:
        """Judge what its tasks raised."""
        for error in self.loop.bury():
            if not isinstance(error, Flaky | TickError):
                self.history.wrong(f"{self.name}: {type(error).__name__}: {error}")
        for work in self._works:
            close(work)

    async def terminate(self) -> None:
        """As the service does on SIGTERM."""
        self.world.say(f"{self.name} is asked to end")
        self.stopping = True
        self.scheduler.stop()
        await self.scheduler.stop_loop()
        await self.scheduler.ended(self.world.rng.choice(GRACES))
        self.scheduler.cancel_running()
        await self.scheduler.ended(RECORDING_SECONDS)
        self.die("asked to end")

    async def quiesce(self, seconds: float) -> None:
        """As the admin API does; from a drained answer on this instance has to be quiet."""
        _, record = await self.scheduler.engine.driver.quiesce()
        self.scheduler.stop_current()
        if await self.scheduler.drained(seconds):
            self.history.seen["quiesced"] += 1
            self._quiet_epoch = record.epoch

    def _hear(self, message: str, fields: Mapping[str, Any]) -> None:
        if self.world.trace is not None:
            self.world.say(f"{self.name}: {message} {_brief(fields)}")
        if not message.startswith(EXECUTING):
            self.history.said(self.name, message, fields)
            return
        self.history.started(self.name, fields, self.server.now(), self.loop.freezes)
        self.on_start()
        if self.stopping:
            self.history.wrong(f"{fields['job_id']}: {self.name} starts it while it is going down")
        driver = self.server.state.driver
        if driver is not None and driver.driver == "nobody" and driver.epoch == self._quiet_epoch:
            self.history.wrong(f"{fields['job_id']}: {self.name} starts it after it was drained")

    def _audit(self, report: TickReport) -> None:
        told = report.jobs_succeeded + report.jobs_failed
        told += report.released + report.stale_completion
        if report.jobs_executed != told:
            self.history.wrong(f"{self.name}: {report.jobs_executed} executed, {told} ended")
        for key in self.history.held.pop(f"{self.name}/{report.tick_id}", ()):
            self._begun_or_given_back(key)

    def _begun_or_given_back(self, key: tuple[str, int]) -> None:
        claim = self.history.claims[key]
        stored = self.server.state.get(key[0])
        ours = stored is not None and stored.job.lease is not None
        if not ours or stored is None or stored.job.fence != key[1] or claim.late:
            return
        excused = key[0] in self.storage.unread or key in self.storage.given_back
        if key not in self.history.executions and not excused:
            self.history.wrong(f"{key[0]}: {self.name} forgot that it holds fence {key[1]}")


async def _tolerated(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except (TickError, asyncio.CancelledError):
        return


def _brief(fields: Mapping[str, Any]) -> str:
    kept = ("job_id", "slot", "fence", "attempt", "reason", "outcome", "path", "what", "role")
    counts = ("jobs_due", "jobs_executed", "lost_race", "poll_failed")
    return " ".join(f"{name}={fields[name]}" for name in (*kept, *counts) if fields.get(name))

"""What one seed makes happen: jobs, ticks, trouble, people, then a calm in which all gets done."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from emonk_ops.tick.carrying import export_jobs, import_jobs
from emonk_ops.tick.driver import ADMITS, Path, Seat
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.schedules import Schedule
from tests.simulation.instance import Household, Instance
from tests.simulation.store import SimulatedStorage
from tests.simulation.world import MICRO

SKEW_SECONDS = 600
PERIODS = (15, 20, 30, 45)
RECURRING = ("note", "slow", "flaky", "stubborn", "ledger", "busy", "novel")
ONE_OFF = (*RECURRING, "poison")
CHAOS = ("crash", "freeze", "terminate", "outage", "step")
PEOPLE = ("schedule", "pause", "resume", "cancel", "export", "import", "drive", "quiesce")


class Scenario:
    """Drawn from the world's chance as it goes."""

    def __init__(self, house: Household, operator: Instance) -> None:
        self.house = house
        self.world = house.world
        self.rng = house.world.rng
        self.operator = operator
        self.living: list[Instance] = []
        self.calm = False
        self._born = 0
        self._jobs: list[str] = []
        self._exports: list[dict[str, Any]] = []
        self.cadence = self.rng.choice((5.0, 8.0, 12.0))
        self.trouble_ends = self.rng.uniform(40, 110)
        self._revisions = self.rng.choice((("r1",), ("r1",), ("r1", "r2")))
        self._seats = self.rng.choice(("cloud", "cloud", "legacy", "shadow"))
        self._chaos_pause = self.rng.uniform(6, 40)
        self._people_pause = self.rng.uniform(4, 20)
        self._strike = self.rng.choice((0.0, 0.05, 0.2))
        self._standby = self.rng.choice((0.0, 0.0, 3.0))
        self._carrier = SimulatedStorage(house.server, operator.loop, house.weather, "import")

    def begin(self) -> None:
        """Set everything in motion."""
        for _ in range(self.rng.choice((1, 2, 2, 3))):
            self.spawn()
        for _ in range(self.rng.randint(3, 8)):
            self._schedule()
        self.world.later(self.rng.random() * self.cadence, self._cron)
        self.world.later(self.rng.expovariate(1 / self._chaos_pause), self._chaos)
        self.world.later(self.rng.expovariate(1 / self._people_pause), self._people)
        self.world.later(self.trouble_ends, self._calm_down)

    def spawn(self) -> None:
        """Start an instance."""
        self._born += 1
        revision = self.rng.choice(self._revisions)
        seat = Seat(
            revision=revision,
            loop=self._seats == "legacy",
            shadow=self._seats == "shadow",
            standby_seconds=self._standby,
        )
        skew = self.rng.randint(-SKEW_SECONDS, SKEW_SECONDS) * MICRO
        novel = self.rng.random() < 0.7
        one = Instance(self.house, f"{revision}.{self._born}", seat, skew=skew, novel=novel)
        if self.calm:
            one.calm_down()

        def died() -> None:
            self.living.remove(one)
            self.world.later(self.rng.uniform(0.2, 4), self.spawn)

        one.on_death = died
        one.on_start = lambda: self._strike_at(one)
        self.living.append(one)
        one.start(one.boot())

    def patience(self, job: Job) -> float:
        """Seconds within which a slot has to be done with when nothing is in the way."""
        limits = self.house.limits
        attempt = limits.lease_seconds + self.cadence + 5
        retries: float = job.backoff_seconds * 1.1 * (2 ** (job.max_attempts - 1) - 1)
        loop = 60 if self._drives() == "legacy" else 0
        alone = (attempt + loop) * job.max_attempts + retries + 30 + loop
        mates = sum(
            one.job.concurrency_key == job.concurrency_key for one in self.house.server.state
        )
        return alone * mates if job.concurrency_key else alone

    def _drives(self) -> str:
        record = self.house.server.state.driver
        return "nobody" if record is None else record.driver

    def _schedule(self) -> None:
        rng = self.rng
        job_id = f"j{len(self._jobs)}"
        self._jobs.append(job_id)
        now = self.house.server.now()
        options: dict[str, Any] = {
            "max_attempts": rng.choice((2, 3)),
            "backoff_seconds": rng.choice((0.0, 1.0, 4.0)),
            "misfire": rng.choice(("run_once", "run_once", "skip", "run_all")),
            "grace_seconds": rng.choice((0.0, 5.0, 60.0)),
            "concurrency_key": rng.choice((None, None, None, None, "one")),
            "payload": {"seconds": rng.choice((1.0, 4.0, 2 * self.house.limits.lease_seconds))},
        }
        if rng.random() < 0.5:
            options["schedule_at"] = now + timedelta(seconds=rng.randint(-30, 60))
            options["job_type"] = rng.choice(ONE_OFF)
        else:
            every = Schedule(every=float(rng.choice(PERIODS)))
            options["schedule"] = every if rng.random() < 0.8 else Schedule(line="* * * * *")
            options["job_type"] = rng.choice(RECURRING)
        if options["misfire"] == "run_all":
            options["job_type"] = "note"
        self._by_operator(self._promise(job_id, options))

    async def _promise(self, job_id: str, options: dict[str, Any]) -> None:
        await self.operator.scheduler.schedule_job(job_id=job_id, **options)
        self.house.history.promised.add(job_id)

    def _by_operator(self, work: Coroutine[Any, Any, Any]) -> None:
        self.operator.start(work)

    def _cron(self) -> None:
        self.world.later(self.cadence, self._cron)
        for delay in (0.0, self.rng.random()) if self.rng.random() < 0.2 else (0.0,):
            self.world.later(delay, self._deliver)

    def _deliver(self) -> None:
        record = self.house.server.state.driver
        serving = [
            one for one in self.living if record is None or one.seat.revision == record.revision
        ]
        lost = not self.calm and self.rng.random() < 0.2
        if among := self.living if lost or not serving else serving:
            one = self.rng.choice(among)
            one.start(one.scheduler.run_tick(Path.CRON))

    def _chaos(self) -> None:
        if self.calm:
            return
        self.world.later(self.rng.expovariate(1 / self._chaos_pause), self._chaos)
        kind = self.rng.choice(CHAOS)
        if kind == "outage":
            self.house.weather.outage_until = self.world.now + self.rng.randint(1, 12 * MICRO)
            self.house.weather.outage_code = self.rng.choice(("UNAVAILABLE", "PERMISSION_DENIED"))
            self.world.say("the store refuses everything for a while")
            self.house.history.seen[kind] += 1
        elif self.living:
            self._harm(kind, self.rng.choice(self.living))

    def _strike_at(self, one: Instance) -> None:
        """While a handler runs is when trouble hurts most."""
        if self.calm or self.rng.random() >= self._strike:
            return
        kind = self.rng.choice(("crash", "freeze", "terminate", "terminate"))

        def strike() -> None:
            if one.alive and not self.calm:
                self._harm(kind, one)

        self.world.later(self.rng.random() * 2, strike)

    def _harm(self, kind: str, one: Instance) -> None:
        self.house.history.seen[kind] += 1
        if kind == "crash":
            one.die("crash")
        elif kind == "terminate" and not one.stopping:
            one.start(one.terminate())
            self.world.later(10, lambda: one.die("killed after the grace"))
        elif kind == "step":
            one.clock.skew += self.rng.randint(-60, 60) * MICRO
        elif kind == "freeze":
            seconds = self.rng.random() * 1.5 * self.house.limits.lease_seconds
            self.world.say(f"{one.name} stands still for {seconds:.3f} s")
            one.loop.freeze(int(seconds * MICRO))

    def _people(self) -> None:
        if self.calm:
            return
        self.world.later(self.rng.expovariate(1 / self._people_pause), self._people)
        kind = self.rng.choice(PEOPLE)
        self.house.history.seen[kind] += 1
        self.world.say(f"somebody wants to {kind}")
        scheduler, job_id = self.operator.scheduler, self.rng.choice(self._jobs)
        if kind == "schedule":
            self._schedule()
        elif kind == "export":
            self._by_operator(self._export())
        elif kind == "import" and self._exports:
            document = self.rng.choice(self._exports)
            self._by_operator(import_jobs(self._carrier, document))
        elif kind == "pause":
            self._by_operator(scheduler.pause(job_id))
        elif kind == "resume":
            self._by_operator(scheduler.resume(job_id))
        elif kind == "cancel" and self.rng.random() < 0.3:
            self._by_operator(scheduler.cancel(job_id))
        elif self.living:
            self._manage(kind, self.rng.choice(self.living))

    def _manage(self, kind: str, one: Instance) -> None:
        if kind == "quiesce":
            one.start(one.quiesce(self.rng.uniform(1, 10)))
            self.world.later(self.rng.uniform(1, 15), lambda: self._activate(one))
        elif kind == "drive":
            self._activate(one)

    def _activate(self, one: Instance) -> None:
        record = self.house.server.state.driver
        choices = ["cloud", "nobody"]
        if one.seat.loop or one.seat.shadow:
            choices = ["cloud", "legacy", "shadow"]
        driver = "cloud" if self.calm else self.rng.choice(choices)
        epoch = 0 if record is None else record.epoch
        one.start(one.scheduler.engine.driver.activate(driver, epoch))

    async def _export(self) -> None:
        self._exports.append(await export_jobs(self._carrier))

    def _calm_down(self) -> None:
        self.world.say("everything works from here on")
        self.calm = True
        self.house.weather.trouble = 0.0
        self.house.weather.outage_until = 0
        self.house.weather.latency = min(self.house.weather.latency, 0.02)
        for one in self.living:
            one.calm_down()
        self._see_to_the_driver()

    def _see_to_the_driver(self) -> None:
        self.world.later(5, self._see_to_the_driver)
        record = self.house.server.state.driver
        serving = record is not None and any(
            ADMITS[record.driver] and one.seat.revision == record.revision for one in self.living
        )
        if self.living and not serving:
            self._activate(self.rng.choice(self.living))

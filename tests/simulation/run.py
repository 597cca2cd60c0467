"""One seed, from the beginning to the verdict."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from dataclasses import dataclass

from emonk_ops.tick.driver import Seat
from emonk_ops.tick.engine import Limits
from tests.simulation.defects import SOUND, Defect
from tests.simulation.handlers import DECLARED
from tests.simulation.history import History
from tests.simulation.instance import Household, Instance
from tests.simulation.scenario import Scenario
from tests.simulation.store import Weather
from tests.simulation.world import MICRO, Endless, World

COLLECT_EVERY = 20
LEAST_CALM_SECONDS = 60.0


@dataclass(frozen=True)
class Told:
    """What one run came to."""

    seed: int
    violations: tuple[str, ...]
    seen: Counter[str]
    trace: tuple[str, ...]
    seconds: float

    @property
    def digest(self) -> str:
        """The same for the same history."""
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def replay_line(seed: int) -> str:
    """The command that shows the history of `seed`."""
    return f"replay: python -m tests.simulation --seed {seed} --trace"


def simulate(seed: int, defect: Defect = SOUND, *, trace: bool = False) -> Told:
    """Run the world of `seed` to its end, or to the first violation."""
    world = World(seed)
    if trace:
        world.trace = []
    house = _household(world, defect)
    operator = Instance(house, "operator", Seat(revision="operator"), skew=0)
    scenario = Scenario(house, operator)
    _play(scenario, house.history)
    for one in [*scenario.living, operator]:
        one.on_death = lambda: None
        one.loop.stop_dead()
        one.bury()
    if seed % COLLECT_EVERY == 0:
        gc.collect()
    history = house.history
    return Told(
        seed, tuple(history.violations), history.seen, tuple(world.trace or ()), world.now / MICRO
    )


def _household(world: World, defect: Defect) -> Household:
    rng = world.rng
    limits = Limits(
        lease_seconds=float(rng.choice((12, 18, 25))),
        handler_timeout_seconds=float(rng.choice((3, 5))),
        tick_budget_seconds=float(rng.choice((6, 10))),
        margin_seconds=1.0,
        concurrency=rng.choice((1, 2, 3, 5)),
        page=rng.choice((2, 3, 10)),
    )
    weather = Weather(
        latency=rng.choice((0.005, 0.05, 0.3, 0.8)), trouble=rng.choice((0.0, 0.03, 0.1, 0.3))
    )
    history = History(world, limits.lease_seconds)
    offset = rng.randint(-3600, 3600) * MICRO
    server = defect.server(world, history, offset)
    return Household(world, server, history, weather, defect.limits(limits), defect.storage)


def _play(scenario: Scenario, history: History) -> None:
    world, server = scenario.world, scenario.house.server

    def wrong() -> bool:
        return bool(history.violations)

    try:
        scenario.begin()
        world.run(int(scenario.trouble_ends * MICRO), wrong)
        jobs = [stored.job for stored in server.state]
        longest = max((scenario.patience(job) for job in jobs), default=LEAST_CALM_SECONDS)
        world.run(world.now + int(longest * MICRO), wrong)
    except Endless as endless:
        history.wrong(str(endless))
    if wrong():
        return
    for stored in server.state:
        history.overdue(stored.job, server.now(), scenario.patience(stored.job))
    for job_id in sorted({*history.promised, DECLARED}):
        if server.state.get(job_id) is None:
            history.wrong(f"{job_id}: it was accepted and is not stored")

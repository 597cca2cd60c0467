"""One injection under way: where it is, what it was told, and what it has seen so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from emonk_ops.operations.cadence import interval, next_slots
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.waiting import ask_until
from emonk_ops.ports import Revision
from emonk_ops.toolbox import Toolbox

T = TypeVar("T")
LEASE_SECONDS = 300.0  # the service's own, unless its environment says another
# A tick comes some seconds after its slot, and its lines are readable some seconds later.
PATIENCE = timedelta(seconds=30)
LOG_LAG = timedelta(seconds=20)
LOOK_EVERY_SECONDS = 5.0
Guard = Callable[[], None]  # raises GuardTripped


@dataclass
class Scene:
    """`evidence` is all that the verdict is reached by; `revision` is what served at the start."""

    tools: Toolbox
    id: str
    options: Mapping[str, Any]
    revision: Revision
    began: datetime
    evidence: dict[str, Any] = field(default_factory=dict)
    guard: Guard = lambda: None

    @property
    def canary(self) -> str:
        """The id of the job that is the target."""
        return f"emonk-inject-{self.id}"

    @property
    def storage(self) -> str:
        return self.revision.env.get("SCHEDULER_STORAGE", "json")

    @property
    def lease_seconds(self) -> float:
        return float(self.revision.env.get("SCHEDULER_LEASE_SECONDS") or LEASE_SECONDS)

    @property
    def period(self) -> timedelta:
        env = self.tools.env
        return interval(env.cadence, env.time_zone, self.began)

    def now(self) -> datetime:
        return self.tools.clock.now()

    def slots(self, start: datetime, count: int) -> tuple[datetime, ...]:
        """The next ticks of Cloud Scheduler after `start`."""
        return next_slots(self.tools.env.cadence, self.tools.env.time_zone, start, count)

    def wait(self, until: datetime) -> None:
        """Wait, and look at each stretch whether the fault does harm. Raises GuardTripped."""
        while (now := self.now()) < until:
            self.tools.clock.sleep_until(min(until, now + timedelta(seconds=15)))
            self.guard()

    def settle(self) -> None:
        """What has just been logged is readable some seconds later."""
        self.wait(self.now() + LOG_LAG)

    def ask(self, ask: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
        """The first good answer within so many seconds, else the last."""

        def guarded() -> T:
            self.guard()
            return ask()

        every = LOOK_EVERY_SECONDS
        return ask_until(self.tools.clock, guarded, good, seconds=seconds, every=every)


def scene_of(tools: Toolbox, name: str, options: Mapping[str, Any]) -> Scene:
    return Scene(
        tools=tools,
        id=f"{tools.run_id}-{name}",
        options=options,
        revision=serving_revision(tools),
        began=tools.clock.now(),
    )

"""An effect under once() whose record was written late, after the read that looked for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import Outcome, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Late(MemoryStorage):
    """Says that it does not know of the first effect, and records it just before the next try."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.waiting: list[Write] = []
        self.tries = 0

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        if batch[0].job.lease is not None and batch[0].job.effects:
            self.tries += 1
            if self.tries == 1:
                self.waiting = list(batch)
                raise StorageError("no answer yet", code="DEADLINE_EXCEEDED", transient=True)
            late, self.waiting = self.waiting, []
            await super().write(late)
        return await super().write(batch)


async def test_an_effect_that_was_recorded_late_is_still_this_attempt_s_to_do() -> None:
    clock = ManualClock()
    store, registry = Late(clock), HandlerRegistry()
    said: list[bool] = []

    @registry.handler("post")
    async def post(context: HandlerContext) -> None:
        said.extend([await context.once("post"), await context.once("post")])

    log = Log(clock, lambda line: None)
    scheduler = CronScheduler(store, clock=clock, log=log, registry=registry)
    await scheduler.engine.driver.begin()
    at = clock.now() - timedelta(seconds=1)
    await scheduler.schedule_job(job_type="post", schedule_at=at)
    tick = clock.start(scheduler.run_tick())
    await clock.advance(5)
    assert (await tick).jobs_succeeded == 1
    assert said == [True, False]
    assert store.tries == 2

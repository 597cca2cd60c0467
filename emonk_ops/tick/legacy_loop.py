"""The in-process cron loop, as it was before Cloud Scheduler. Stage 5 removes this module.

Its registration is a base and an import each: `LegacyLoop` in scheduler.py and `LegacyAgent` in
agent_core.py. Nothing else knows this module.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from typing import TYPE_CHECKING

from emonk_ops.tick import cron, logs
from emonk_ops.tick.driver import Path
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.in_process import NoLoop

if TYPE_CHECKING:
    from emonk_ops.tick.engine import Engine
    from emonk_ops.tick.ticks import TickReport


class LegacyLoop(NoLoop):
    """`start()`, `_check_and_execute_jobs()` and `running`, mixed into CronScheduler."""

    has_loop = True
    cadence: str
    engine: Engine
    _loop: asyncio.Task[None] | None = None

    @abstractmethod
    async def run_tick(self, path: Path) -> TickReport:
        """One tick on `path`."""

    @property
    def running(self) -> bool:
        """Whether the loop runs."""
        return self._loop is not None and not self._loop.done()

    @property
    def loop_runs(self) -> bool:
        return self.running

    async def begin_loop(self) -> None:
        await self.start()

    async def end_loop(self) -> None:
        await self.stop_loop()

    async def start(self) -> None:
        """Begin the loop; it runs until `stop_loop`. A second call changes nothing."""
        if not self.running:
            self._loop = self.engine.clock.start(self._run_loop(), name="legacy-loop")
            self.engine.log.info(logs.LOOP_STARTED, cadence=self.cadence)

    async def stop_loop(self) -> None:
        """End the loop; a tick that runs is left to end."""
        if self._loop is not None and not self._loop.done():
            self._loop.cancel()
            await asyncio.wait([self._loop])
            self.engine.log.info(logs.LOOP_STOPPED)

    async def _run_loop(self) -> None:
        clock = self.engine.clock
        while True:
            await clock.sleep_until(cron.next_slot(self.cadence, "UTC", clock.now()))
            await self._check_and_execute_jobs()

    async def _check_and_execute_jobs(self) -> None:
        """One tick of the loop; whatever goes wrong in it, the loop goes on."""
        try:
            await self.run_tick(Path.LOOP)
        except StorageError as error:
            self.engine.log.error(logs.STORAGE_FAILED, code=error.code, error=str(error))
        except Exception as error:
            self.engine.log.error(logs.TICK_FAILED, error, path=Path.LOOP.value)


class LegacyAgent:
    """`start_scheduler()`, mixed into AgentCore."""

    scheduler: LegacyLoop

    async def start_scheduler(self) -> None:
        """Begin the in-process cron loop."""
        await self.scheduler.start()

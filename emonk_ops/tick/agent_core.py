"""The agent around the scheduler, as the service's own code knows it."""

from __future__ import annotations

from emonk_ops.tick import logs
from emonk_ops.tick.legacy_loop import LegacyAgent
from emonk_ops.tick.scheduler import CronScheduler


class AgentCore(
    LegacyAgent,
):
    """Owns the scheduler."""

    def __init__(self, scheduler: CronScheduler) -> None:
        self.scheduler = scheduler
        scheduler.engine.log.info(logs.AGENT_CREATED, job_types=scheduler.engine.registry.types)

    async def begin_loop(self) -> None:
        """Let the process drive itself. Raises SettingsError where there is no loop to begin."""
        await self.scheduler.begin_loop()

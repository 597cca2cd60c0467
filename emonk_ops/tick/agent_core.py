"""The agent around the scheduler, as the service's own code knows it."""

from __future__ import annotations

from emonk_ops.tick import logs
from emonk_ops.tick.scheduler import CronScheduler


class AgentCore:
    """Owns the scheduler; `start_scheduler` begins the legacy loop and goes with it in stage 5."""

    def __init__(self, scheduler: CronScheduler) -> None:
        self.scheduler = scheduler
        scheduler.engine.log.info(logs.AGENT_CREATED, job_types=scheduler.engine.registry.types)

    async def start_scheduler(self) -> None:
        """Begin the in-process cron loop."""
        await self.scheduler.start()

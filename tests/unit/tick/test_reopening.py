from __future__ import annotations

import asyncio
from pathlib import Path

from emonk_ops.tick.service import TickService
from emonk_ops.tick.testing import ManualClock


def test_the_legacy_loop_finds_its_storage_again_without_anybody_asking(tmp_path: Path) -> None:
    async def role_after_the_trouble() -> tuple[str, str]:
        clock = ManualClock()
        blocked = tmp_path / "data"
        blocked.write_text("a file where the folder should be")
        environment = {
            "ENVIRONMENT": "local",
            "SCHEDULER_STORAGE": "json",
            "SCHEDULER_LEGACY_LOOP": "true",
            "SCHEDULER_JSON_PATH": str(blocked / "jobs"),
        }
        service = TickService.from_environment(environment, clock=clock)
        async with service.lifespan():
            during = service.scheduler.engine.driver.role
            blocked.unlink()
            await clock.advance(60)
            return during, service.scheduler.engine.driver.role

    assert asyncio.run(role_after_the_trouble()) == ("standby", "driving")


def test_a_service_whose_storage_never_opens_ends_all_the_same(tmp_path: Path) -> None:
    async def begin_and_end() -> bool:
        blocked = tmp_path / "data"
        blocked.write_text("a file where the folder should be")
        environment = {
            "ENVIRONMENT": "local",
            "SCHEDULER_STORAGE": "json",
            "SCHEDULER_JSON_PATH": str(blocked / "jobs"),
        }
        clock = ManualClock()
        service = TickService.from_environment(environment, clock=clock)
        async with service.lifespan():
            await clock.advance(3600)
        return bool(service.storage_error)

    assert asyncio.run(begin_and_end())

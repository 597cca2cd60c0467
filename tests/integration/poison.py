"""Ticks a store until it is told to stop; the handler `poison` ends the process at once.

    python poison.py json PATH | firestore EMULATOR PROJECT

The lease is one second long, so that nobody has to wait for five minutes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta

from emonk_ops.tick import CronScheduler, HandlerContext, HandlerRegistry
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.storage import JobStorage

POISONED = 86


def storage_of(words: list[str]) -> JobStorage:
    if words[0] == "json":
        from emonk_ops.tick.storage.json_file import JsonFileStorage

        return JsonFileStorage(words[1], SystemClock())
    from emonk_ops.tick.storage.firestore import FirestoreStorage
    from emonk_ops.tick.storage.firestore_calls import Place

    return FirestoreStorage(Place(words[2], emulator=words[1]), SystemClock())


async def main(words: list[str]) -> None:
    registry = HandlerRegistry()

    @registry.handler("poison")
    async def poison(_context: HandlerContext) -> None:
        os._exit(POISONED)

    storage = storage_of(words)
    await storage.open()
    scheduler = CronScheduler(
        storage,
        registry=registry,
        limits=Limits(lease_seconds=1.0, handler_timeout_seconds=0.3, margin_seconds=0.3),
    )
    await scheduler.engine.driver.begin()
    clock = scheduler.engine.clock
    while (report := await scheduler.run_tick()).dead == 0:
        assert not report.poll_failed
        await clock.sleep_until(clock.now() + timedelta(seconds=0.1))
    await storage.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

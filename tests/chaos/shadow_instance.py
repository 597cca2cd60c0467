"""The service in shadow mode with a short grace and a loop that turns five times a second.

Its handler appends the key of each slot to the file EFFECTS. SIGUSR1 ends the loop for good, and
the log then says so; everything else is the service as it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import uvicorn

from emonk_ops.tick.app import application
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings

LOOP_SECONDS = 0.2
LOOP_ENDED = "The quick loop has ended"
REGISTRY = HandlerRegistry()


@REGISTRY.handler("note")
async def note(context: HandlerContext) -> None:
    line = json.dumps({"key": context.idempotency_key, "fence": context.fence}) + "\n"
    file = os.open(os.environ["EFFECTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


async def quick_loop(service: TickService, stopped: asyncio.Event) -> None:
    """What the legacy loop does at each slot of its cadence, until told to stop."""
    while not stopped.is_set():
        await service.scheduler._check_and_execute_jobs()
        try:
            await asyncio.wait_for(stopped.wait(), LOOP_SECONDS)
        except TimeoutError:
            continue
    await service.scheduler.stop_loop()
    service.log.info(LOOP_ENDED)


async def serve(service: TickService) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, stopped.set)
    port = int(os.environ["PORT"])
    server = uvicorn.Server(
        uvicorn.Config(application(service), host="127.0.0.1", port=port, log_config=None)
    )
    loop = asyncio.create_task(quick_loop(service, stopped))
    await server.serve()
    stopped.set()
    await loop


if __name__ == "__main__":
    grace = float(os.environ["GRACE"])
    read = read_settings(os.environ)
    asyncio.run(serve(TickService(read, registry=REGISTRY, shadow_grace_seconds=grace)))
    sys.exit(0)

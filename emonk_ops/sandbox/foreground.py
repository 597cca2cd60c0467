"""Runs a sandbox in this process until a signal says stop."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

from emonk_ops.sandbox.server import Sandbox


def run(sandbox: Sandbox, ready: Callable[[Sandbox], None]) -> None:
    """Call `ready` once its APIs answer; return after SIGINT or SIGTERM and an orderly stop."""
    asyncio.run(_run(sandbox, ready))


async def _run(sandbox: Sandbox, ready: Callable[[Sandbox], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with sandbox:
        ready(sandbox)
        await stopped.wait()

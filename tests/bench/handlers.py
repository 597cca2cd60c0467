"""The one handler of the benchmarks, for our scheduler and for the service as a process."""

from __future__ import annotations

from emonk_ops.tick.handlers import HandlerContext, handler


@handler("nothing")
async def nothing(_context: HandlerContext) -> None:
    """What every job here does."""

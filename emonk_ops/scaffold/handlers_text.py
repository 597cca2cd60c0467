"""The handlers module of the small service."""

from __future__ import annotations

TEXT = '''\
"""Handlers of your jobs. SCHEDULER_HANDLERS=handlers makes the tick service load this module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emonk_ops.tick import HandlerContext, declare, handler


@handler("daily_digest")
async def daily_digest(context: HandlerContext) -> Mapping[str, Any]:
    """Post the digest to a channel, once per day even if the first attempt died half way."""
    channel = context.payload["channel"]
    if not await context.once("post"):
        return {"posted": False}
    # Your call goes here. Give the target `context.idempotency_key`: it is the same each attempt.
    context.log.info("Digest posted", channel=channel, key=context.idempotency_key)
    return {"posted": True, "channel": channel}


declare(
    "daily-digest",
    type="daily_digest",
    schedule={"cron": "0 7 * * *", "tz": "UTC"},
    payload={"channel": "#daily"},
)
'''

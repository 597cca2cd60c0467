"""Three jobs of the bundled service: what runs in the sandbox before the migration.

They need no network, and change nothing outside the log.
"""

from __future__ import annotations

from emonk_ops.tick import HandlerContext, declare, handler


@handler("daily_digest")
async def write_digest(context: HandlerContext) -> None:
    """Stands for a job that sends something once a slot, and only once."""
    if await context.once("digest"):
        context.log.info("Digest written", slot=context.slot.isoformat())


declare(
    "heartbeat",
    type="log",
    schedule={"cron": "* * * * *"},
    payload={"message": "Heartbeat of the bundled service"},
)
declare(
    "queue-report",
    type="log",
    schedule={"cron": "*/10 * * * *"},
    payload={"message": "Queue report", "queue": "inbox"},
)
declare("digest", type="daily_digest", schedule={"cron": "0 7 * * *", "tz": "Europe/Berlin"})

"""Ticks that are asked for: through Cloud Scheduler, or straight to the service with its token."""

from __future__ import annotations

from threading import Thread

from emonk_ops.errors import OpsError
from emonk_ops.toolbox import Toolbox

SCHEDULER = "scheduler"
HTTP = "http"
PERMISSION = "cloudscheduler.jobs.run"


def trigger(tools: Toolbox, via: str = SCHEDULER, count: int = 1) -> list[str]:
    """Ask for so many ticks at once and wait for none of them; the errors of those refused."""
    if via == SCHEDULER:
        for _ in range(count):
            tools.jobs.run()
        return []
    errors: list[str] = []
    path = tools.env.service.tick_path

    def post() -> None:
        try:
            tools.service.probe("POST", path, tick_token=True)
        except OpsError as error:
            errors.append(error.message)

    # Daemons: a tick may take minutes, and its request log is the evidence, not its answer.
    for _ in range(count):
        Thread(target=post, daemon=True).start()
    return errors

"""What a soak belongs to. Another of these, and the hours until then prove nothing of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from emonk_ops.errors import NotOffered
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.toolbox import Toolbox

PREFIXES = ("SCHEDULER_", "TICK_")


def about(tools: Toolbox) -> dict[str, Any]:
    """Revision, scheduling environment, driver's epoch, and the Cloud Scheduler job."""
    revision = serving_revision(tools)
    env = {name: value for name, value in revision.env.items() if name.startswith(PREFIXES)}
    job = tools.jobs.describe()
    return {
        "revision": revision.name,
        "environment": env,
        "epoch": _epoch(tools),
        "job": None if job is None else asdict(job.spec),
    }


def _epoch(tools: Toolbox) -> int | None:
    try:
        return tools.service.driver().epoch
    except NotOffered:
        return None

"""What a soak belongs to. Another of these, and the hours until then prove nothing of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from emonk_ops.operations.health import ask_health
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver, storage_of
from emonk_ops.toolbox import Toolbox

PREFIXES = ("SCHEDULER_", "TICK_")


def about(tools: Toolbox) -> dict[str, Any]:
    """The service's version, its scheduling environment, who is to drive, Cloud Scheduler's job.

    Another revision of the same is no other thing, unless the jobs lie in a file that dies with it.
    The service's store is not asked: while it cannot be, the soak must still be judged.
    """
    revision = serving_revision(tools)
    env = {name: value for name, value in revision.env.items() if name.startswith(PREFIXES)}
    job = tools.jobs.describe()
    return {
        "version": str(ask_health(tools).body.get("version", "")),
        "environment": env,
        "driver": default_driver(revision.env),
        "job": None if job is None else asdict(job.spec),
        "job_file_of": revision.name if storage_of(revision.env) == "json" else "",
    }

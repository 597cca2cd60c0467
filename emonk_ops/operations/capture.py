"""The whole tuple that a rollback needs, read before a stage changes anything."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from emonk_ops.errors import NotOffered
from emonk_ops.operations.driver import who_drives
from emonk_ops.operations.old_jobs import keep_captured
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.toolbox import Toolbox

FORM = "tuple/1"


def capture(tools: Toolbox) -> dict[str, Any]:
    """{revision, traffic, env, driver, job, jobs checksum}: JSON-able, and enough to go back."""
    service = tools.run.describe_service()
    revision = serving_revision(tools)
    driving = who_drives(tools)
    return {
        "form": FORM,
        "revision": revision.name,
        "image": revision.image,
        "env": dict(revision.env),
        "traffic": [asdict(share) for share in service.traffic],
        "pinned": service.pinned,
        "loop": default_driver(revision.env) != "cloud",
        # After a run that was cut short nobody drives: nobody is nothing to go back to.
        "driver": driving.driver if driving.driver != "nobody" else driving.assumed,
        "epoch": driving.state.epoch if driving.state else None,
        "scheduler_job": _job(driving.job),
        "jobs": _jobs(tools),
    }


def _job(job: Any) -> dict[str, Any] | None:
    if job is None:
        return None
    return {"state": job.state, "spec": asdict(job.spec)}


def _jobs(tools: Toolbox) -> dict[str, Any] | None:
    try:
        exported = tools.service.export_jobs()
    except NotOffered:
        return None
    keep_captured(tools, exported)
    return {"count": exported["count"], "checksum": exported["checksum"]}

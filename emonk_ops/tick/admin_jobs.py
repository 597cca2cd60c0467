"""The admin API's doors to one job: pause, resume, release, and the facts that explain it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from starlette.requests import Request

from emonk_ops.tick.errors import InvalidJob, JobConflict
from emonk_ops.tick.instants import to_text
from emonk_ops.tick.jobs import Job, Lease
from emonk_ops.tick.releasing import released
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settlement import paused
from emonk_ops.tick.storage import Lock

Answer = tuple[int, dict[str, Any]]


async def pause(service: TickService, request: Request) -> Answer:
    """Nothing of the job runs until it is resumed; one that has ended is refused."""
    return 200, (await service.scheduler.change(request.path_params["id"], _paused)).to_dict()


async def resume(service: TickService, request: Request) -> Answer:
    """The job is due again at its slot; one that is not paused stays as it is."""
    job_id = request.path_params["id"]
    job = await service.scheduler.job(job_id)
    if job.paused:
        job = await service.scheduler.resume(job_id)
    return 200, job.to_dict()


async def release(service: TickService, request: Request) -> Answer:
    """Give the lease back; `lease` in the answer is what was found, null where there was none."""
    body = await body_of(request)
    force, reason = body.get("force", False), body.get("reason", "")
    if not isinstance(force, bool) or not isinstance(reason, str):
        raise InvalidJob("force is not true or false, or reason is not a text.")
    now = await service.storage.clock()
    found: list[Job] = []

    def give_back(job: Job) -> Job:
        found.append(job)
        return released(job, now, force=force, reason=reason)

    job_id = request.path_params["id"]
    after = await service.scheduler.job(job_id)
    if after.lease is not None:
        after = await service.scheduler.change(job_id, give_back)
    before = found[-1] if found else after
    lease = None if before.lease is None else _lease(before, before.lease, now)
    if before.lease is not None and before.concurrency_key is not None:
        # Else the key would stay busy until the lease that was given back had ended.
        held = Lock(before.concurrency_key, before.lease.id, before.lease.until)
        await service.storage.unlock([held])
    return 200, {"released": lease is not None, "lease": lease, "job": after.to_dict()}


async def facts(service: TickService, request: Request) -> Answer:
    """What an explanation needs besides the job itself, all at one moment of the store's clock."""
    job = await service.scheduler.job(request.path_params["id"])
    driver = service.scheduler.engine.driver
    record = await driver.read()
    return 200, {
        "now": to_text(await service.storage.clock()),
        "job": job.to_dict(),
        "known_type": job.type in service.scheduler.engine.registry.types,
        "driver": None if record is None else record.driver,
        "epoch": 0 if record is None else record.epoch,
        "driver_revision": None if record is None else record.revision,
        "this_revision": driver.seat.revision,
        "role": driver.role,
    }


def _paused(job: Job) -> Job:
    if job.finished:
        raise JobConflict(f"job '{job.id}' is {job.state}: nothing of it is left to pause.")
    return job if job.paused else paused(job)


def _lease(job: Job, lease: Lease, now: datetime) -> dict[str, Any]:
    return {
        "by": lease.by,
        "until": to_text(lease.until),
        "live": lease.until > now,
        "fence": job.fence,
    }


async def body_of(request: Request) -> dict[str, Any]:
    """The request's JSON object, {} where it has no body. Raises InvalidJob."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise InvalidJob(f"the body is not JSON: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidJob("the body is not a JSON object.")
    return body

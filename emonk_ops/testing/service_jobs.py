"""One job of the running service in memory, as the operations reach it over HTTP."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from emonk_ops.errors import Conflict, NotFound, NotOffered, Unreachable
from emonk_ops.testing.world import InMemoryWorld

LEASE = {"lease_id": None, "lease_by": None, "lease_until": None}


class InMemoryServiceJobs:
    """See `emonk_ops.job_ports.ServiceJobs`."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world

    def list_jobs(self, *, after: str = "") -> Iterator[Mapping[str, Any]]:
        self._require_admin("GET /admin/jobs")
        jobs = self._world.store.jobs
        for name in sorted(jobs):
            if name > after:
                yield copy.deepcopy(jobs[name])

    def job(self, job_id: str) -> Mapping[str, Any]:
        return copy.deepcopy(self._stored("GET", job_id))

    def job_facts(self, job_id: str) -> Mapping[str, Any]:
        driver, epoch = self._world.record() or ("", 0)
        serving = self._world.serving
        return {
            "now": self._world.clock.now().isoformat(),
            "job": copy.deepcopy(self._stored("GET", job_id)),
            "known_type": True,
            "driver": driver or None,
            "epoch": epoch,
            "driver_revision": serving if driver else None,
            "this_revision": serving,
            "role": self._world.role,
        }

    def schedule_job(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        self._require_admin("POST /admin/jobs")
        job_id = str(wanted.get("id") or f"job-{len(self._world.store.jobs)}")
        if job_id in self._world.store.jobs:
            raise Conflict(f"POST /admin/jobs: a job '{job_id}' exists already")
        job = {**wanted, **LEASE, "id": job_id, "fence": 0, "state": "scheduled", "paused": False}
        with self._world.change("schedule"):
            self._world.store.jobs[job_id] = copy.deepcopy(job)
        return job

    def cancel_job(self, job_id: str) -> Mapping[str, Any]:
        final = {"state": "cancelled", "paused": False, "due_at": None, **LEASE}
        return self._change("DELETE", job_id, final)

    def pause_job(self, job_id: str) -> Mapping[str, Any]:
        leased = self._stored("POST", job_id).get("lease_until")
        state = {} if leased else {"state": "paused", "due_at": None}
        return self._change("POST", job_id, {"paused": True, **state})

    def resume_job(self, job_id: str) -> Mapping[str, Any]:
        job = self._stored("POST", job_id)
        if not job.get("paused"):
            return copy.deepcopy(job)
        state = {} if job.get("lease_until") else {"state": "scheduled", "due_at": job.get("slot")}
        return self._change("POST", job_id, {"paused": False, **state})

    def release_job(self, job_id: str, *, force: bool, reason: str) -> Mapping[str, Any]:
        job = self._stored("POST", job_id)
        until = job.get("lease_until")
        if until is None:
            return {"released": False, "lease": None, "job": copy.deepcopy(job)}
        live = datetime.fromisoformat(until) > self._world.clock.now()
        if live and not (force and reason):
            raise Conflict(
                f"POST /admin/jobs/{job_id}/release: job '{job_id}' is held until {until}"
            )
        lease = {"by": job["lease_by"], "until": until, "live": live, "fence": job["fence"]}
        free = {**LEASE, "state": "scheduled", "fence": job["fence"] + live}
        return {"released": True, "lease": lease, "job": self._change("POST", job_id, free)}

    def _change(self, method: str, job_id: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        job = self._stored(method, job_id)
        with self._world.change(f"job {job_id}"):
            job.update(changes)
        return copy.deepcopy(job)

    def _stored(self, method: str, job_id: str) -> dict[str, Any]:
        call = f"{method} /admin/jobs/{job_id}"
        self._require_admin(call)
        found = self._world.store.jobs.get(job_id)
        if found is None:
            raise NotFound(f"{call}: HTTP 404 from the app: no job '{job_id}'.")
        return found

    def _require_admin(self, call: str) -> None:
        if self._world.ill:
            raise Unreachable(f"{call}: HTTP 503 from the app")
        if not self._world.revision(self._world.serving).env.get("ADMIN_USERS"):
            raise NotOffered(f"{call}: the service has no admin API here")

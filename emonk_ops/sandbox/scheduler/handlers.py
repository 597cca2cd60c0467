"""The methods of google.cloud.scheduler.v1.CloudScheduler: raw requests in, raw answers out."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.cloud.scheduler_v1 import types
from google.protobuf import empty_pb2

from emonk_ops.sandbox.scheduler.dispatch import Dispatcher
from emonk_ops.sandbox.scheduler.errors import already_exists, invalid, wrong_state
from emonk_ops.sandbox.scheduler.state import Jobs
from emonk_ops.sandbox.scheduler.validation import check_name, check_parent, completed, merged

MAX_PAGE = 500
_State = types.Job.State


class SchedulerMethods:
    """Each method raises Refusal for what the API refuses."""

    def __init__(
        self,
        jobs: Jobs,
        dispatcher: Dispatcher,
        now: Callable[[], datetime],
        rng: random.Random,
    ) -> None:
        self._jobs = jobs
        self._dispatcher = dispatcher
        self._now = now
        self._rng = rng

    async def create_job(self, request: Any) -> Any:
        check_parent(request.parent)
        wanted = request.job
        if not wanted.name:
            wanted.name = f"{request.parent}/jobs/{self._rng.randrange(10**18, 10**19)}"
        check_name(wanted.name)
        if not wanted.name.startswith(f"{request.parent}/jobs/"):
            raise invalid(f"Job name must start with the parent {request.parent}.")
        job = completed(wanted)
        if self._jobs.find(job.name) is not None:
            raise already_exists(job.name)
        job.state = _State.ENABLED
        job.user_update_time.FromDatetime(self._now())
        self._jobs.save(job)
        self._dispatcher.follow(job.name)
        return self._jobs.get(job.name)

    async def get_job(self, request: Any) -> Any:
        check_name(request.name)
        return self._jobs.get(request.name)

    async def list_jobs(self, request: Any) -> Any:
        check_parent(request.parent)
        if request.page_size < 0:
            raise invalid("page_size must not be negative.")
        size = min(request.page_size or MAX_PAGE, MAX_PAGE)
        after = _name_in(request.page_token)
        jobs = [job for job in self._jobs.under(request.parent) if job.name > after]
        response = types.ListJobsResponse.pb()(jobs=jobs[:size])
        if len(jobs) > size:
            response.next_page_token = _token_of(jobs[size - 1].name)
        return response

    async def update_job(self, request: Any) -> Any:
        """Change the masked fields; run state and the record of attempts are kept."""
        check_name(request.job.name)
        stored = self._jobs.get(request.job.name)
        changed = completed(merged(stored, request.job, list(request.update_mask.paths)))
        changed.state = stored.state
        changed.user_update_time.FromDatetime(self._now())
        for kept in ("status", "schedule_time", "last_attempt_time"):
            if stored.HasField(kept):
                getattr(changed, kept).CopyFrom(getattr(stored, kept))
        self._jobs.save(changed)
        if changed.state == _State.ENABLED:
            self._dispatcher.follow(changed.name)
        return self._jobs.get(changed.name)

    async def delete_job(self, request: Any) -> Any:
        check_name(request.name)
        self._jobs.delete(request.name)
        self._dispatcher.leave(request.name)
        return empty_pb2.Empty()

    async def pause_job(self, request: Any) -> Any:
        job = self._in_state(request.name, "paused", _State.ENABLED)
        job.state = _State.PAUSED
        self._jobs.save(job)
        self._dispatcher.leave(job.name)
        return job

    async def resume_job(self, request: Any) -> Any:
        job = self._in_state(request.name, "resumed", _State.PAUSED)
        job.state = _State.ENABLED
        self._jobs.save(job)
        self._dispatcher.follow(job.name)
        return self._jobs.get(job.name)

    async def run_job(self, request: Any) -> Any:
        """Dispatch at once, also a paused or a running job."""
        check_name(request.name)
        self._dispatcher.run_now(request.name)
        return self._jobs.get(request.name)

    def _in_state(self, name: str, action: str, needed: int) -> Any:
        check_name(name)
        job = self._jobs.get(name)
        if job.state != needed:
            raise wrong_state(name, action, _State(needed).name, _State(job.state).name)
        return job


def _token_of(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _name_in(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as exc:
        raise invalid("page_token is invalid.") from exc


METHODS: tuple[tuple[str, str, Any, Any], ...] = (
    ("CreateJob", "create_job", types.CreateJobRequest.pb(), types.Job.pb()),
    ("GetJob", "get_job", types.GetJobRequest.pb(), types.Job.pb()),
    ("ListJobs", "list_jobs", types.ListJobsRequest.pb(), types.ListJobsResponse.pb()),
    ("UpdateJob", "update_job", types.UpdateJobRequest.pb(), types.Job.pb()),
    ("DeleteJob", "delete_job", types.DeleteJobRequest.pb(), empty_pb2.Empty),
    ("PauseJob", "pause_job", types.PauseJobRequest.pb(), types.Job.pb()),
    ("ResumeJob", "resume_job", types.ResumeJobRequest.pb(), types.Job.pb()),
    ("RunJob", "run_job", types.RunJobRequest.pb(), types.Job.pb()),
)
"""API name, our name, and raw types of request and answer."""

"""The jobs of all projects, as raw google.cloud.scheduler.v1.Job messages in the world's store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from google.cloud.scheduler_v1 import types

from emonk_ops.sandbox.scheduler.errors import not_found
from emonk_ops.sandbox.scheduler.outcomes import Outcome
from emonk_ops.sandbox.store import Store

_KIND = "scheduler.job"
_RAW_JOB: Any = types.Job.pb()


class Jobs:
    """Every change is stored before the call returns; what is handed out are copies."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str) -> Any | None:
        value = self._store.get(_KIND, name)
        return None if value is None else _RAW_JOB.FromString(value)

    def get(self, name: str) -> Any:
        """Raises Refusal (NOT_FOUND)."""
        job = self.find(name)
        if job is None:
            raise not_found()
        return job

    def save(self, job: Any) -> None:
        self._store.put(_KIND, job.name, job.SerializeToString())

    def delete(self, name: str) -> None:
        """Raises Refusal (NOT_FOUND)."""
        if not self._store.delete(_KIND, name):
            raise not_found()

    def under(self, parent: str = "") -> Iterator[Any]:
        """Jobs of a location in the order of their names, or all jobs."""
        prefix = f"{parent}/jobs/" if parent else ""
        for _, value in self._store.list(_KIND, prefix):
            yield _RAW_JOB.FromString(value)

    def note_schedule(self, name: str, when: datetime | None) -> None:
        """Record when the job runs next; None when it never does. Nothing for a deleted job."""
        if (job := self.find(name)) is None:
            return
        job.ClearField("schedule_time")
        if when is not None:
            job.schedule_time.FromDatetime(when)
        self.save(job)

    def note_attempt(self, name: str, began: datetime) -> None:
        """Record that an attempt started. Nothing for a deleted job."""
        if (job := self.find(name)) is None:
            return
        job.last_attempt_time.FromDatetime(began)
        self.save(job)

    def note_outcome(self, name: str, outcome: Outcome) -> None:
        """Record what the last finished attempt came to. Nothing for a deleted job."""
        if (job := self.find(name)) is None:
            return
        job.status.Clear()
        job.status.SetInParent()
        if not outcome.succeeded:
            job.status.code = outcome.number
        self.save(job)


def is_enabled(job: Any) -> bool:
    return bool(job.state == types.Job.State.ENABLED)

"""Stored jobs as they change: state, when due, the lease, the fence, who holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from emonk_ops.toolbox import Toolbox

LOOK_SECONDS = 2.0
FIELDS = ("state", "due_at", "lease_until", "fence", "holder")


@dataclass(frozen=True, slots=True)
class JobView:
    """What is watched of one job. Instants as the service writes them; None where there is none."""

    state: str
    due_at: str | None
    lease_until: str | None
    fence: int
    holder: str | None


@dataclass(frozen=True)
class Change:
    """One job at one look: it appeared (`before` is None), is gone, or some of it is another."""

    at: datetime
    job_id: str
    before: JobView | None
    after: JobView | None

    @property
    def kind(self) -> str:
        if self.before is None:
            return "appeared"
        return "gone" if self.after is None else "changed"

    def fields(self) -> dict[str, tuple[Any, Any]]:
        """Each field that is another, as it was and as it is."""
        pairs = ((name, _of(self.before, name), _of(self.after, name)) for name in FIELDS)
        return {name: (was, now) for name, was, now in pairs if was != now}


class JobWatch:
    """Looks at all jobs of the service. What comes and goes between two looks is not seen."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools
        self._lease_field = tools.env.service.lease_field
        self.jobs: dict[str, JobView] = {}
        self.at: datetime | None = None  # of the last look

    def look(self) -> tuple[Change, ...]:
        """The changes since the look before; none at the first. Raises CloudError."""
        now = self._tools.clock.now()
        found = {str(job["id"]): self._view(job) for job in self._tools.service.list_jobs()}
        before, self.jobs = self.jobs, found
        first, self.at = self.at is None, now
        if first:
            return ()
        return tuple(_changes(now, before, found))

    def _view(self, job: Mapping[str, Any]) -> JobView:
        lease = job.get(self._lease_field, job.get("lease_until"))
        return JobView(
            state=str(job.get("state", "")),
            due_at=job.get("due_at"),
            lease_until=lease,
            fence=int(job.get("fence") or 0),
            holder=job.get("lease_by"),
        )


def _changes(
    at: datetime, before: Mapping[str, JobView], after: Mapping[str, JobView]
) -> Iterator[Change]:
    for name in sorted({*before, *after}):
        was, now = before.get(name), after.get(name)
        if was != now:
            yield Change(at, name, was, now)


def _of(view: JobView | None, name: str) -> Any:
    return None if view is None else getattr(view, name)

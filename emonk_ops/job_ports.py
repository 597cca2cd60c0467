"""What the operations need of stored jobs: one job over the service's admin API, and carrying.

The same rules hold as for `emonk_ops.ports`. A job is its JSON form (`emonk_ops.tick.jobs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class ServiceJobs(Protocol):
    """The jobs of the running service. An unknown id raises `NotFound`."""

    def list_jobs(self, *, after: str = "") -> Iterator[Mapping[str, Any]]:
        """All jobs by id, beginning behind the id `after`; page by page as they are taken."""
        ...

    def job(self, job_id: str) -> Mapping[str, Any]: ...

    def job_facts(self, job_id: str) -> Mapping[str, Any]:
        """`job`, and at the same moment `now` of the store, `driver`, `role`, `known_type`."""
        ...

    def schedule_job(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """`wanted` as POST /admin/jobs takes it. Raises `Conflict` where the id is taken."""
        ...

    def cancel_job(self, job_id: str) -> Mapping[str, Any]: ...

    def pause_job(self, job_id: str) -> Mapping[str, Any]: ...

    def resume_job(self, job_id: str) -> Mapping[str, Any]: ...

    def release_job(self, job_id: str, *, force: bool, reason: str) -> Mapping[str, Any]:
        """`released`, `lease` as found, `job` after. A live lease without `force`: `Conflict`."""
        ...


@dataclass(frozen=True)
class Migration:
    """One carriage of all jobs from a store to another, as the command line asks for it.

    A place is `service`, `json:PATH` or `firestore:PROJECT[/DATABASE]`. `mark` is the file that
    outlives the process; `wait_seconds` is how long live leases are waited for.
    """

    source: str
    target: str
    mark: Path
    wait_seconds: float = 0.0
    say: Callable[[str], None] = field(default=lambda _line: None)


class Migrations(Protocol):
    """Carries jobs between stores; `emonk_ops.tick.migration` says how."""

    def run(self, wanted: Migration) -> Mapping[str, Any]:
        """Carry, compare, activate; again after any interruption is safe. Returns the facts."""
        ...

    def abandon(self, wanted: Migration) -> Mapping[str, Any]:
        """Give the drive back to the source of a migration that did not end."""
        ...

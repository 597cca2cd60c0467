"""What checks and steps are handed: the environment's settings, the ports, and the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from emonk_ops.access_ports import ProjectAccess
    from emonk_ops.clock import Clock
    from emonk_ops.job_ports import Migrations
    from emonk_ops.monitoring_ports import Monitoring, StorageFaults
    from emonk_ops.ports import CloudRun, Commands, Logs, Platform, TickJobs, TickService
    from emonk_ops.settings import Environment


class Ports(Protocol):
    """One environment's way to the world. Each is made when it is first asked for."""

    @property
    def clock(self) -> Clock: ...
    @property
    def run(self) -> CloudRun: ...
    @property
    def jobs(self) -> TickJobs: ...
    @property
    def logs(self) -> Logs: ...
    @property
    def service(self) -> TickService: ...
    @property
    def platform(self) -> Platform: ...
    @property
    def commands(self) -> Commands: ...
    @property
    def migrations(self) -> Migrations: ...
    @property
    def monitoring(self) -> Monitoring: ...
    @property
    def storage_faults(self) -> StorageFaults: ...
    @property
    def access(self) -> ProjectAccess: ...
    @property
    def invokers(self) -> ProjectAccess: ...


class Evidence(Protocol):
    """What verdicts were reached by, kept by name beside the journal."""

    def save(self, name: str, blob: bytes) -> str:
        """Keep it; its SHA-256 in hexadecimal."""
        ...

    def load(self, name: str) -> bytes:
        """Raises NotFound."""
        ...


@dataclass(frozen=True)
class Toolbox:
    """Everything a check or a step may touch, for one environment.

    `memo` lives for one run: what one step learnt (the revision it deployed, the instant the job
    was resumed) and a later one needs. `waits=False` makes a check that would have to wait answer
    WAITING instead. `keep` is a folder for files that must outlive the process (exported jobs).
    `say` reports progress of something long. `note` writes a record into the journal of the
    run `run_id`, and `evidence` keeps what is too long for it.
    """

    env: Environment
    ports: Ports
    keep: Path
    waits: bool = True
    memo: dict[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _line: None
    evidence: Evidence | None = None
    standing_of: Callable[[str], Any] | None = None  # environment -> its rollout.standing.Standing
    run_id: str = ""  # of the journal; empty outside a run
    note: Callable[[str, Mapping[str, Any]], None] = lambda _kind, _body: None

    @property
    def clock(self) -> Clock:
        return self.ports.clock

    @property
    def run(self) -> CloudRun:
        return self.ports.run

    @property
    def jobs(self) -> TickJobs:
        return self.ports.jobs

    @property
    def logs(self) -> Logs:
        return self.ports.logs

    @property
    def service(self) -> TickService:
        return self.ports.service

    @property
    def platform(self) -> Platform:
        return self.ports.platform

    @property
    def commands(self) -> Commands:
        return self.ports.commands

    @property
    def migrations(self) -> Migrations:
        return self.ports.migrations

    @property
    def monitoring(self) -> Monitoring:
        return self.ports.monitoring

    @property
    def storage_faults(self) -> StorageFaults:
        return self.ports.storage_faults

    @property
    def access(self) -> ProjectAccess:
        return self.ports.access

    @property
    def invokers(self) -> ProjectAccess:
        return self.ports.invokers

"""What checks and steps are handed: the environment's settings, the ports, and the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Toolbox:
    """Everything a check or a step may touch, for one environment.

    `memo` lives for one run: what one step learnt (the revision it deployed, the instant the job
    was resumed) and a later one needs. `waits=False` makes a check that would have to wait answer
    WAITING instead. `keep` is a folder for files that must outlive the process (exported jobs).
    `say` reports progress of something long.
    """

    env: Environment
    ports: Ports
    keep: Path
    waits: bool = True
    memo: dict[str, Any] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _line: None

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

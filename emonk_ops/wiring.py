"""Binds the ports of an environment to Google Cloud or to the sandbox. Alone imports `gcp`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from emonk_ops.settings import CommandSettings, Environment, Target

if TYPE_CHECKING:
    from emonk_ops.access_ports import ProjectAccess
    from emonk_ops.clock import Clock
    from emonk_ops.job_ports import Migrations
    from emonk_ops.monitoring_ports import Monitoring, StorageFaults
    from emonk_ops.ports import CloudRun, Commands, Logs, Platform, TickJobs, TickService
    from emonk_ops.state_ports import Documents
    from emonk_ops.toolbox import Toolbox


class Wiring:
    """Makes each port when it is first asked for, so that a command imports what it uses only."""

    def __init__(self, env: Environment) -> None:
        self.env = env

    @cached_property
    def clock(self) -> Clock:
        if self.env.target is Target.SANDBOX:
            from emonk_ops.gcp.endpoints import sandbox_address
            from emonk_ops.gcp.sandbox_clock import SandboxClock

            return SandboxClock(sandbox_address(self.env).http)
        from emonk_ops.clock import SystemClock

        return SystemClock()

    @cached_property
    def run(self) -> CloudRun:
        from emonk_ops.gcp.cloud_run import GcpCloudRun

        return GcpCloudRun(self.env, self.clock)

    @cached_property
    def jobs(self) -> TickJobs:
        from emonk_ops.gcp.tick_jobs import GcpTickJobs

        return GcpTickJobs(self.env)

    @cached_property
    def logs(self) -> Logs:
        from emonk_ops.gcp.cloud_logging import GcpLogs

        return GcpLogs(self.env)

    @cached_property
    def service(self) -> TickService:
        from emonk_ops.gcp.id_tokens import id_tokens
        from emonk_ops.gcp.tick_service import HttpTickService

        return HttpTickService(self.env, lambda: self.uri, id_tokens(self.env))

    @cached_property
    def migrations(self) -> Migrations:
        from emonk_ops.gcp.job_stores import StoreMigrations

        return StoreMigrations(self.env, lambda: self.service)

    @cached_property
    def uri(self) -> str:
        """The service's URL, which does not change during a command.

        While Cloud Run's API is down or slow, what Cloud Scheduler calls tells it as well.
        """
        from emonk_ops.operations.address import address_of

        return address_of(self.env, lambda: self.run, lambda: self.jobs)

    @cached_property
    def platform(self) -> Platform:
        from emonk_ops.gcp.platform import GooglePlatform

        return GooglePlatform(self.env)

    @cached_property
    def monitoring(self) -> Monitoring:
        from emonk_ops.gcp.cloud_monitoring import GcpMonitoring

        return GcpMonitoring(self.env)

    @cached_property
    def storage_faults(self) -> StorageFaults:
        from emonk_ops.gcp.sandbox_faults import SandboxFaults

        return SandboxFaults(self.env)

    @cached_property
    def access(self) -> ProjectAccess:
        from emonk_ops.gcp.project_access import GcpProjectAccess

        return GcpProjectAccess(self.env)

    @cached_property
    def invokers(self) -> ProjectAccess:
        from emonk_ops.gcp.project_access import GcpServiceAccess

        return GcpServiceAccess(self.env)

    @cached_property
    def commands(self) -> Commands:
        from emonk_ops.commands import LocalCommands

        return LocalCommands(self.env.commands)

    def close(self) -> None:
        """End the connections of the ports that were made. A command ends with its process."""
        for port in vars(self).values():
            if close := getattr(port, "close", None):
                close()


def documents(env: Environment, key: str) -> Documents:
    """What `key` keeps in the database of `[state] place`."""
    from emonk_ops.gcp.firestore_state import FirestoreDocuments

    project, _, database = env.state_place.partition(":")[2].partition("/")
    return FirestoreDocuments(env, project, database, key)


def commands_of(settings: CommandSettings) -> Commands:
    """Commands in a folder of this machine; no environment belongs to them."""
    from emonk_ops.commands import LocalCommands

    return LocalCommands(settings)


def toolbox(
    env: Environment,
    *,
    waits: bool = True,
    keep: Path,
    say: Callable[[str], None] = lambda _line: None,
) -> Toolbox:
    """Everything a check or a step may touch in this environment."""
    from emonk_ops.toolbox import Toolbox

    return Toolbox(env=env, ports=Wiring(env), keep=keep, waits=waits, say=say)

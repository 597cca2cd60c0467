"""Ports that ask for the lock before every change: who lost it stops in the middle of a step."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from emonk_ops.rollout.patient_logs import PatientLogs
from emonk_ops.toolbox import Ports

if TYPE_CHECKING:
    from emonk_ops.access_ports import ProjectAccess
    from emonk_ops.clock import Clock
    from emonk_ops.job_ports import Migrations
    from emonk_ops.monitoring_ports import Monitoring, StorageFaults
    from emonk_ops.ports import CloudRun, Commands, Logs, Platform, TickJobs, TickService

# The methods of the guarded ports that change something.
CHANGES = frozenset(
    {
        *("deploy", "route", "annotate"),
        *("create", "update", "pause", "resume", "run", "delete"),
        *("activate", "quiesce", "import_jobs", "abandon"),
        *("schedule_job", "cancel_job", "pause_job", "resume_job", "release_job"),
        *("write_entry", "begin", "set_policy"),
    }
)
Require = Callable[[], None]  # raises LockLost


class GuardedPorts:
    """See `emonk_ops.toolbox.Ports`."""

    def __init__(self, ports: Ports, require: Require) -> None:
        self._ports = ports
        self._require = require

    @property
    def run(self) -> CloudRun:
        return cast("CloudRun", _Guarded(self._ports.run, self._require))

    @property
    def jobs(self) -> TickJobs:
        return cast("TickJobs", _Guarded(self._ports.jobs, self._require))

    @property
    def service(self) -> TickService:
        return cast("TickService", _Guarded(self._ports.service, self._require))

    @property
    def migrations(self) -> Migrations:
        return cast("Migrations", _Guarded(self._ports.migrations, self._require))

    @property
    def monitoring(self) -> Monitoring:
        return cast("Monitoring", _Guarded(self._ports.monitoring, self._require))

    @property
    def storage_faults(self) -> StorageFaults:
        return cast("StorageFaults", _Guarded(self._ports.storage_faults, self._require))

    @property
    def access(self) -> ProjectAccess:
        return cast("ProjectAccess", _Guarded(self._ports.access, self._require))

    @property
    def invokers(self) -> ProjectAccess:
        return cast("ProjectAccess", _Guarded(self._ports.invokers, self._require))

    @property
    def clock(self) -> Clock:
        return self._ports.clock

    @property
    def logs(self) -> Logs:
        return PatientLogs(self._ports.logs, self._ports.clock)

    @property
    def platform(self) -> Platform:
        return self._ports.platform

    @property
    def commands(self) -> Commands:
        return self._ports.commands


class _Guarded:
    def __init__(self, port: object, require: Require) -> None:
        self._port = port
        self._require = require

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if name not in CHANGES:
            return found

        @wraps(found)
        def change(*args: Any, **named: Any) -> Any:
            self._require()
            return found(*args, **named)

        return change

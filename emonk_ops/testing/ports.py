"""All ports of one world in memory, and the small ones: logs, platform, commands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from emonk_ops.ports import CommandResult, LogEntry
from emonk_ops.testing.access import InMemoryAccess
from emonk_ops.testing.clock import ManualClock
from emonk_ops.testing.cloud_run import InMemoryCloudRun, InMemoryTickJobs
from emonk_ops.testing.log_query import Matches, matcher
from emonk_ops.testing.migrations import InMemoryMigrations
from emonk_ops.testing.monitoring import InMemoryMonitoring, InMemoryStorageFaults
from emonk_ops.testing.service import InMemoryTickService
from emonk_ops.testing.world import InMemoryWorld


class InMemoryLogs:
    """See `emonk_ops.ports.Logs`."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world

    def entries(
        self,
        query: str,
        *,
        since: datetime,
        until: datetime | None = None,
        newest_first: bool = False,
        limit: int | None = None,
    ) -> Iterator[LogEntry]:
        matches = matcher(query)
        found = [
            entry
            for entry in sorted(self._world.log, key=lambda one: (one.timestamp, one.insert_id))
            if since <= entry.timestamp
            and (until is None or entry.timestamp < until)
            and matches(entry)
        ]
        yield from (found[::-1] if newest_first else found)[:limit]

    def tail(self, query: str) -> Iterator[LogEntry]:
        """What is written after this call; it ends where nothing new is there yet."""
        return self._written_after(len(self._world.log), matcher(query))

    def _written_after(self, at: int, matches: Matches) -> Iterator[LogEntry]:
        while at < len(self._world.log):
            entry = self._world.log[at]
            at += 1
            if matches(entry):
                yield entry


class InMemoryPlatform:
    """See `emonk_ops.ports.Platform`. Everything is enabled and granted until a test says no."""

    def __init__(self) -> None:
        self.disabled: set[str] = set()
        self.denied: set[str] = set()
        self.roles: dict[str, tuple[str, ...]] = {}
        self.database: Mapping[str, Any] | None = {"name": "(default)"}

    def api_enabled(self, api: str) -> bool:
        return api not in self.disabled

    def missing_permissions(self, permissions: Sequence[str]) -> tuple[str, ...]:
        return tuple(one for one in permissions if one in self.denied)

    def roles_of(self, member: str) -> tuple[str, ...]:
        return self.roles.get(member, ())

    def firestore_database(self) -> Mapping[str, Any] | None:
        return self.database


class InMemoryCommands:
    """See `emonk_ops.ports.Commands`. Gives the results it was given, and keeps what was asked.

    `does` is what a command brings about, by its words.
    """

    def __init__(self) -> None:
        self.does: dict[tuple[str, ...], Callable[[], None]] = {}
        self.results: dict[tuple[str, ...], CommandResult] = {}
        self.asked: list[tuple[tuple[str, ...], dict[str, str]]] = []

    def run(
        self, argv: Sequence[str], *, env: Mapping[str, str], junit: bool = False
    ) -> CommandResult:
        self.asked.append((tuple(argv), dict(env)))
        self.does.get(tuple(argv), lambda: None)()
        return self.results.get(tuple(argv), CommandResult(tuple(argv), 0, 0.1, ()))


class InMemoryPorts:
    """See `emonk_ops.toolbox.Ports`."""

    def __init__(self, world: InMemoryWorld) -> None:
        self.world = world
        self.clock: ManualClock = world.clock
        self.run = InMemoryCloudRun(world)
        self.jobs = InMemoryTickJobs(world)
        self.logs = InMemoryLogs(world)
        self.service = InMemoryTickService(world)
        self.platform = InMemoryPlatform()
        self.commands = InMemoryCommands()
        self.migrations = InMemoryMigrations(world)
        self.monitoring = InMemoryMonitoring(world)
        self.storage_faults = InMemoryStorageFaults(world)
        self.access = InMemoryAccess(world)
        self.invokers = InMemoryAccess(world)
        self.invokers.grant("roles/run.invoker", "allUsers")

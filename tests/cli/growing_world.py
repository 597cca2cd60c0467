"""The model's service in shadow, whose log grows as time passes: each entry comes when it would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.desk import Aim, Desk
from emonk_ops.operations.analysis.exported import entries_of
from emonk_ops.ports import LogEntry
from emonk_ops.settings import Environment, Target
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.ports import InMemoryLogs
from emonk_ops.toolbox import Toolbox
from tests.judging.exported import as_lines
from tests.judging.model import World


class CountedLogs:
    """The log in memory: counts the list calls, by their instants, and fails when told to."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._logs = InMemoryLogs(world)
        self._now = world.clock.now
        self.asked: list[datetime] = []
        self.failures: list[Exception] = []

    def entries(self, query: str, **bounds: Any) -> Iterator[LogEntry]:
        self.asked.append(self._now())
        if self.failures:
            raise self.failures.pop(0)
        return self._logs.entries(query, **bounds)

    def tail(self, query: str) -> Iterator[LogEntry]:
        return self._logs.tail(query)


class GrowingWorld:
    """Types commands while the shadow of `told` goes on from its beginning."""

    def __init__(self, folder: Path, told: World) -> None:
        self.world = InMemoryWorld(jobs=())
        assert told.begin >= self.world.clock.now()
        self.logs = CountedLogs(self.world)
        path = folder / "told.json"
        path.write_text(as_lines(told.records()))
        self._coming = sorted(
            ((_arrival(one), one) for one in entries_of(path)), key=lambda pair: pair[0]
        )
        self.world.clock.on_move = self._moved
        self.world.clock.set(told.begin)
        self.world.store.record = ("shadow", 2)
        self.change_revision(created_at=told.begin)
        for job in told.definitions():
            self.world.store.jobs[job.id] = job.to_dict()

    def change_revision(self, **changes: Any) -> None:
        self.world.revisions[0] = replace(self.world.revisions[0], **changes)

    def pass_time(self, **length: float) -> None:
        now = self.world.clock.now()
        self.world.clock.sleep_until(now + timedelta(**length))

    def note(self, kind: str, **body: Any) -> None:
        """A record in the environment's journal, of a run of stage 3."""
        aim = Aim(env="qa")
        desk = Desk("stage 3", aim, False, Collaborators(clock=self.world.clock))
        plain = {name: one.isoformat() if isinstance(one, datetime) else one
                 for name, one in body.items()}  # fmt: skip
        desk.book.note(kind, {"stage": 3, **plain})

    def toolbox(self) -> Toolbox:
        env = Environment("qa", Target.SANDBOX, "emonk-qa", cadence="* * * * *")
        return self._toolbox(env, waits=True, keep=Path(), say=lambda _line: None)

    def _moved(self, _before: datetime, after: datetime) -> None:
        while self._coming and self._coming[0][0] <= after:
            self.world.log.append(self._coming.pop(0)[1])

    def type(self, *words: str) -> Result:
        argv = [*words, "--env", "qa"]
        with_ = Collaborators(open_toolbox=self._toolbox, clock=self.world.clock, argv=tuple(argv))
        return CliRunner().invoke(build(), argv, obj=with_, catch_exceptions=False)

    def _toolbox(
        self, env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        ports = InMemoryPorts(self.world)
        ports.logs = self.logs  # type: ignore[assignment]
        return Toolbox(env, ports, keep, waits=waits, say=say)


def _arrival(entry: LogEntry) -> datetime:
    """A request's entry bears the time of its start and comes at its end."""
    return entry.timestamp + timedelta(seconds=float(entry.http.get("latency_seconds", 0.0)))

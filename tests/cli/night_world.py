"""A service on Cloud Scheduler's ticks in memory, which the command line may look at and mend."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.operations.tick_job import ensure_enabled, ensure_job
from emonk_ops.settings import Environment
from emonk_ops.testing.ports import InMemoryPorts
from emonk_ops.testing.world import SERVICE_ENV, InMemoryWorld
from emonk_ops.tick.jobs import Job, JobState, Schedule
from emonk_ops.toolbox import Toolbox

ENV = {**SERVICE_ENV, "SCHEDULER_LEGACY_LOOP": "false"}


@dataclass
class NightWorld:
    """`heard` is called at each journal write; `name` is the environment that is typed."""

    folder: Path
    name: str = "qa"
    ports: InMemoryPorts = field(init=False)
    heard: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        world = InMemoryWorld(ENV, jobs=())
        self.ports = InMemoryPorts(world)
        world.store.record = ("cloud", 1)
        tools = Toolbox(self.env, self.ports, self.folder)
        ensure_job(tools)
        ensure_enabled(tools)
        self.keep("report")
        self.passes(65)

    @property
    def env(self) -> Environment:
        from emonk_ops.settings_file import read_settings

        return read_settings(self.folder / "emonk-ops.toml", {}).environment(self.name)

    @property
    def world(self) -> InMemoryWorld:
        return self.ports.world

    def passes(self, minutes: float) -> None:
        """The ticks come; a job that is not in the way is due again behind them."""
        self.world.clock.sleep_until(self.world.clock.now() + timedelta(minutes=minutes))
        later = self.world.clock.now() + timedelta(minutes=5)
        for job in self.world.store.jobs.values():
            if not job["paused"] and not job["lease_id"]:
                job["slot"] = job["due_at"] = later.isoformat()

    def keep(self, job_id: str, **changes: Any) -> None:
        now = self.world.clock.now()
        schedule = Schedule(line="*/5 * * * *")
        job = Job(job_id, "log", schedule, {}, JobState.SCHEDULED, now, now, now)
        self.world.store.jobs[job_id] = replace(job, **changes).to_dict()

    def type(self, *words: str) -> Result:
        argv = ["diagnose", *words, "--env", self.name]

        def open_toolbox(env: Environment, **given: Any) -> Toolbox:
            return Toolbox(env, self.ports, given["keep"], say=given["say"], waits=given["waits"])

        with_ = Collaborators(
            open_toolbox=open_toolbox,
            journal_listener=lambda _phase, _seq: self.heard(),
            argv=tuple(argv),
            environ={**os.environ, "EMONK_ACTOR": "ann", "CI": ""},
            clock=self.world.clock,
            journal_clock=lambda _env, fallback: fallback,
        )
        return CliRunner().invoke(build(), argv, obj=with_)

"""A rollout in a sandbox, typed as processes that may be killed, and looked at from behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.desk import Aim, Desk
from emonk_ops.operations.analysis.reading import record_of
from emonk_ops.operations.analysis.records import Run
from emonk_ops.settings_file import read_settings
from emonk_ops.toolbox import Toolbox
from emonk_ops.wiring import Wiring

CRASHING = Path(__file__).with_name("crashing_cli.py")
SIGKILLED = -9
EVENTS = re.compile(r"^(journal|call|inside|local|running) events: (\d+)$", re.MULTILINE)
SHORT = {
    "EMONK_SHADOW_HOURS": "0.2",
    "EMONK_SOAK_HOURS": "0.1",
    "EMONK_STABLE_HOURS": "0.2",
}
SETTINGS = (
    ('cadence = "*/5 * * * *"', 'cadence = "* * * * *"'),
    ("[env.qa]\n", '[env.qa]\nincident_plan = "runbook"\nacceptance_intervals = 1\n'),
)
LONGEST_WALK = timedelta(days=30)
FILE_PLACE = '# place = "file"'


@dataclass(frozen=True)
class Typed:
    """How a command ended. `told` is all it said."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> str:
        return f"exit {self.code}\n{self.out[-4000:]}\n{self.err[-2000:]}"

    @property
    def envelope(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.envelope["data"]
        return found

    @property
    def events(self) -> dict[str, int]:
        """How many there were of each kind; empty of one that was killed."""
        return {kind: int(count) for kind, count in EVENTS.findall(self.err)}


class Rehearsed:
    """A sandbox on the virtual clock, a settings file, and the command line in a folder."""

    def __init__(self, folder: Path, *, shared: bool) -> None:
        self.folder = folder
        self.shared = shared
        self.settings = folder / "emonk-ops.toml"

    def run(self, *argv: str, kill_at: str = "0", **variables: str) -> Typed:
        environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        done = subprocess.run(
            [sys.executable, str(CRASHING), kill_at, *argv],
            cwd=self.folder,
            capture_output=True,
            text=True,
            env={**environ, **SHORT, **variables},
            stdin=subprocess.DEVNULL,
            timeout=120,
        )
        return Typed(done.returncode, done.stdout, done.stderr)

    def must(self, *argv: str, **variables: str) -> Typed:
        done = self.run(*argv, **variables)
        assert done.code == 0, f"{argv}: {done.told}"
        return done

    def prepare_settings(self) -> None:
        """A tick each minute, and in the shared world journal and lock in the Firestore there."""
        text = self.settings.read_text()
        place = (FILE_PLACE, 'place = "firestore:emonk-qa/state"')
        for was, becomes in (*SETTINGS, *((place,) if self.shared else ())):
            assert was in text, was
            text = text.replace(was, becomes, 1)
        self.settings.write_text(text)

    def vary_deployment(self, mark: str) -> None:
        """Another variable of the service, so that the next stage has a revision to deploy."""
        text = self.settings.read_text()
        line = f'service_env = {{ CRASH_MARK = "{mark}" }}'
        if "CRASH_MARK" in text:
            text = re.sub(r"service_env = \{ CRASH_MARK.*", line, text)
        else:
            text = text.replace("[env.qa]\n", f"[env.qa]\n{line}\n")
        self.settings.write_text(text)

    @cached_property
    def tools(self) -> Toolbox:
        """The environment's own ports, for looking and for meddling."""
        env = read_settings(self.settings, {}).environment("qa")
        return Toolbox(env, Wiring(env), self.desk().folder / "keep")

    def desk(self) -> Desk:
        """What the journal and the lock say now, to whoever comes next."""
        return Desk("look", Aim(env="qa", config=self.settings), False, Collaborators())

    def close(self) -> None:
        ports = self.tools.ports
        assert isinstance(ports, Wiring)
        ports.close()

    def passes(self, time: timedelta) -> None:
        clock = self.tools.clock
        clock.sleep_until(clock.now() + time)

    def fences(self) -> dict[str, int]:
        """The fence of each stored job."""
        jobs = list(self.tools.service.list_jobs())
        found = {str(job["id"]): int(job["fence"]) for job in jobs}
        assert len(found) == len(jobs), "an id is stored twice"
        return found

    def shape(self) -> tuple[str, str, str]:
        """(storage, driver, state of the Cloud Scheduler job), as service and platform say.

        A driver that does not drive, or that is another revision than what serves, is none.
        """
        health: Any = self.tools.service.probe("GET", "/health").body
        state, job = self.tools.service.driver(), self.tools.jobs.describe()
        serving = self.tools.run.describe_service().serving_revision
        drives = state.role == "driving" and state.this_revision == serving
        driver = state.driver if drives else f"nobody ({state.driver} is {state.role})"
        return health["storage"]["kind"], driver, "absent" if job is None else job.state

    def succeeded_twice(self) -> list[str]:
        """Slots of jobs that two fences brought to a success, in the whole log."""
        now = self.tools.clock.now()
        seen: dict[tuple[str, str], set[int]] = {}
        query, since = 'jsonPayload.message="Job succeeded"', now - LONGEST_WALK
        for entry in self.tools.logs.entries(query, since=since, until=now):
            found = record_of(entry)
            assert isinstance(found, Run)
            seen.setdefault((found.job_id, found.slot.isoformat()), set()).add(found.fence)
        assert seen, "no job ever ran"
        return [f"{job} {slot}" for (job, slot), fences in seen.items() if len(fences) > 1]

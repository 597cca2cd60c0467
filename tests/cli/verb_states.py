"""Every state an environment can be in, each made as it comes about: by commands, some killed.

`python verb_states.py ARGS…` is the command line over this world, to be killed as a process. The
stages are 0, 1 and 4; stage 4 soaks for ten minutes and can be drilled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.cli.desk import Aim, Desk
from emonk_ops.errors import UsageError
from emonk_ops.ports import TickJobSpec
from emonk_ops.rollout.lease import Lease, born
from emonk_ops.rollout.model import Look, Soak, Stage, Step
from emonk_ops.settings import Environment, Target
from emonk_ops.settings_sample import sample
from emonk_ops.testing import InMemoryPorts, InMemoryWorld
from emonk_ops.testing.clock import START
from emonk_ops.testing.cloud_run import InMemoryTickJobs
from emonk_ops.tick.jobs import Job, JobState, Schedule
from emonk_ops.toolbox import Toolbox

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.cli import small_world

SOAK_SECONDS = 600.0
SAID = ("--confirm", "word=said so")
FAULT = {"kind": "scheduler-job", "job": "emonk-agent-tick"}


DIGEST = Job(
    id="digest",
    type="daily_digest",
    schedule=Schedule.from_dict({"cron": "0 7 * * *"}),
    payload={},
    state=JobState.SCHEDULED,
    slot=START,
    due_at=START,
    created_at=START,
)


def load_stage(number: int) -> Stage:
    if number in (0, 1):
        return small_world.load_stage(number)
    if number != 4:
        raise UsageError(f"stage {number} is not there yet", hint="Stages that exist: 0, 1, 4")

    def inverse(_env: Any, facts: Mapping[str, Any]) -> tuple[Step, ...]:
        back = small_world.turn("undo", facts["serves"])
        return (Step("undo", "serve as before", back, budget_seconds=30),)

    step = Step("serve", "serve c", small_world.turn("serve", "c"), small_world.preview("c"))
    return replace(
        small_world.load_stage(1),
        number=4,
        name="cutover",
        title="serve c for good",
        needs=(0, 1),
        plan=lambda _env: (step,),
        inverse=inverse,
        soak=lambda _env: SOAK,
    )


def _look(_tools: Toolbox, since: datetime, now: datetime) -> Iterator[Look]:
    if now > since:
        yield Look(since, now, (now - since).total_seconds(), summary="healthy")


SOAK = Soak(
    id="watch",
    sentence="Ten healthy minutes",
    needed_seconds=SOAK_SECONDS,
    guide_seconds=SOAK_SECONDS,
    every_seconds=60.0,
    about=lambda _tools: {"serves": small_world.read()["switches"]["serves"]},
    look=_look,
)


def new_run_id() -> str:
    """run-1, run-2 and so on, in the current folder."""
    counter = Path("runs")
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    return f"run-{number}"


def collaborators(argv: list[str]) -> Collaborators:
    world = InMemoryWorld(jobs=())
    world.store.jobs["digest"] = DIGEST.to_dict()
    spec = TickJobSpec("*/5 * * * *", "Etc/UTC", "http://agent.test/cron/tick")
    paused = small_world.read()["job"] == "PAUSED"
    InMemoryTickJobs(world).create(spec, paused=paused)

    def open_toolbox(
        env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
    ) -> Toolbox:
        return Toolbox(env, InMemoryPorts(world), keep, waits=waits, say=say)

    return Collaborators(
        open_toolbox=open_toolbox,
        load_stage=load_stage,
        new_run_id=new_run_id,
        clock=world.clock,
        journal_clock=lambda _env, fallback: fallback,
        argv=tuple(argv),
    )


class Folder:
    """An environment in a folder, which is the current one while commands are typed in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def type(self, *words: str) -> tuple[int, str]:
        """The exit code, and all that was said."""
        argv = [*words, "--env", "qa"]
        with _inside(self.path):
            result = CliRunner().invoke(build(), argv, obj=collaborators(argv))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def must(self, *words: str, code: int = 0) -> None:
        found, told = self.type(*words)
        assert found == code, f"{words}: {found}\n{told}"

    def killed(self, *words: str) -> None:
        """A process of its own, which dies by SIGKILL in a step."""
        command = [sys.executable, __file__, *words, "--env", "qa"]
        ended = subprocess.run(command, cwd=self.path, capture_output=True, timeout=60, check=False)
        assert ended.returncode == -9, (words, ended)

    def world(self, **settings: Any) -> None:
        path = self.path / "world.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **settings}))

    def note(self, kind: str, body: Mapping[str, Any]) -> None:
        """A record of a run of its own."""
        with _inside(self.path):
            self.desk.book.note(kind, body)

    @property
    def serves(self) -> str:
        path = self.path / "world.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        return str(known.get("switches", {}).get("serves", "a"))

    @property
    def desk(self) -> Desk:
        aim = Aim(env="qa", config=self.path / "emonk-ops.toml")
        return Desk("look", aim, False, collaborators([]))


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _passed(folder: Folder) -> None:
    folder.must("stage", "0", *SAID)
    folder.must("stage", "1")


def _cut_over(folder: Folder) -> None:
    _passed(folder)
    folder.must("stage", "4")


def _soaking(folder: Folder) -> None:
    _passed(folder)
    folder.must("stage", "4", "--no-wait", code=75)


def _waiting(folder: Folder) -> None:
    _passed(folder)
    folder.world(verdicts={"serving": "WAITING"})
    folder.must("stage", "4", "--no-wait", code=75)


def _held(folder: Folder) -> None:
    _passed(folder)
    folder.must("hold", "--reason", "an incident")


def _rolled_back(folder: Folder) -> None:
    _cut_over(folder)
    folder.must("rollback", "--yes")


def _rollback_begun(folder: Folder) -> None:
    _cut_over(folder)
    folder.world(broken=["undo"])
    folder.must("rollback", "--yes", code=7)
    folder.world(broken=[])


def _stage_killed(folder: Folder) -> None:
    _passed(folder)
    folder.world(deadly=["serve"])
    folder.killed("stage", "4")
    folder.world(deadly=[])


def _drill_killed(folder: Folder) -> None:
    _cut_over(folder)
    folder.world(deadly=["undo"])
    folder.killed("rollback", "drill")
    folder.world(deadly=[])


def _lease(folder: Folder, machine: str, pid: int) -> None:
    """As a run of this process leaves it while it works, or one that is gone."""
    desk = folder.desk
    now = desk.with_.clock.now()
    lease = Lease(
        holder="bob",
        host=desk.who.host,
        machine=machine,
        pid=pid,
        born=born(os.getpid()),
        reason="stage 1: serve b",
        run="bobs-run",
        fence=1,
        taken_at=now,
        expires_at=now + timedelta(seconds=30),
    )
    (desk.folder / "lock.json").write_text(lease.to_json())


def _locked_alive(folder: Folder) -> None:
    _cut_over(folder)
    _lease(folder, folder.desk.who.machine, os.getpid())


def _locked_dead(folder: Folder) -> None:
    """Its process id is another process's by now: of one that a test cannot be born with."""
    _cut_over(folder)
    _lease(folder, folder.desk.who.machine, 1)


def _locked_by_hand(folder: Folder) -> None:
    _cut_over(folder)
    folder.must("lock", "acquire", "--reason", "night freeze")


def _damaged(folder: Folder) -> None:
    _cut_over(folder)
    path = folder.desk.folder / "journal.jsonl"
    path.write_text(path.read_text().replace("run.started", "run.starred", 1))


def _fault_open(folder: Folder) -> None:
    _cut_over(folder)
    folder.world(job="PAUSED")
    body = {"id": "f-1", "injection": "missed-ticks", "undo": [FAULT], "plan": {"heals": ""}}
    folder.note("injection.intent", body)


STATES: dict[str, Callable[[Folder], None]] = {
    "fresh": lambda _folder: None,
    "passed 1": _passed,
    "soaking": _soaking,
    "waiting": _waiting,
    "passed 4": _cut_over,
    "held": _held,
    "rolled back": _rolled_back,
    "rollback begun": _rollback_begun,
    "stage killed": _stage_killed,
    "locked, alive": _locked_alive,
    "locked, dead": _locked_dead,
    "locked by hand": _locked_by_hand,
    "damaged": _damaged,
    "fault open": _fault_open,
    "drill killed": _drill_killed,
}


def make(state: str, path: Path) -> Folder:
    """A folder in that state."""
    path.mkdir()
    (path / "emonk-ops.toml").write_text(sample(Target.SANDBOX))
    folder = Folder(path)
    STATES[state](folder)
    return folder


def copied(template: Folder, path: Path) -> Folder:
    shutil.copytree(template.path, path)
    return Folder(path)


if __name__ == "__main__":
    argv = sys.argv[1:]
    build()(args=argv, prog_name="emonk-ops", obj=collaborators(argv))

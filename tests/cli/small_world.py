"""The command line over a world of two switches in a file: `python small_world.py stage 1 …`.

The engine, journal, lock and screens are the real ones; only the stages' doing is small.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from emonk_ops.cli.app import build
from emonk_ops.cli.collaborators import Collaborators
from emonk_ops.clock import SystemClock
from emonk_ops.errors import StepFailed, Unreachable, UsageError
from emonk_ops.ports import DriverState, LogEntry, Service, TickJob, TickJobSpec, TrafficShare
from emonk_ops.rollout.model import Check, Finding, Stage, Step, StepResult, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Ports, Toolbox

FILE = Path("world.json")


def read() -> dict[str, Any]:
    plain: dict[str, Any] = {"switches": {"serves": "a"}, "verdicts": {}, "broken": []}
    plain |= {"deadly": [], "seconds": 0, "unreachable": False, "pinned": False, "job": ""}
    return {**plain, **(json.loads(FILE.read_text()) if FILE.exists() else {})}


def turn(step_id: str, to: str) -> Callable[[Toolbox], StepResult]:
    def run(tools: Toolbox) -> StepResult:
        world = read()
        tools.say("[/red] turning")
        if world["seconds"]:
            time.sleep(world["seconds"])
        if step_id in world["deadly"]:
            os.kill(os.getpid(), signal.SIGKILL)
        if step_id in world["broken"]:
            raise StepFailed(f"{step_id} broke")
        changed = world["switches"]["serves"] != to
        world["switches"]["serves"] = to
        FILE.write_text(json.dumps(world))
        return StepResult(changed, f"serves {to}")

    return run


def preview(to: str) -> Callable[[Toolbox], StepResult]:
    def look(_tools: Toolbox) -> StepResult:
        now = read()["switches"]["serves"]
        return StepResult(now != to, f"would serve {to}", {"diff": {"serves": [now, to]}})

    return look


def check(check_id: str, *, person: bool = False) -> Check:
    def measure(_tools: Toolbox) -> Finding:
        verdict = Verdict(read()["verdicts"].get(check_id, "PASS"))
        return Finding(verdict, f"measured {check_id}", {"token": "hidden", "n": 3})

    return Check(check_id, f"{check_id} holds", None if person else measure)


def load_stage(number: int) -> Stage:
    if number > 1:
        raise UsageError(f"stage {number} is not there yet", hint="Stages that exist: 0, 1")

    def inverse(_env: Any, facts: Mapping[str, Any]) -> tuple[Step, ...]:
        return (Step("undo", "serve as before", turn("undo", facts["serves"]), budget_seconds=30),)

    step = Step("serve", "serve b", turn("serve", "b"), preview("b"))
    return Stage(
        number=number,
        name=f"stage{number}",
        title=("look", "serve b")[number],
        needs=tuple(range(number)),
        checks=lambda _env: (check("ready"), *((check("word", person=True),) * (number == 0))),
        plan=lambda _env: (step,) if number else (),
        verify=lambda _env: (check("serving"),) if number else (),
        acceptance=lambda _env: (),
        capture=(lambda _tools: dict(read()["switches"])) if number else None,
        inverse=inverse if number else None,
    )


class Run:
    def describe_service(self) -> Service:
        if read()["unreachable"]:
            raise Unreachable("Cloud Run did not answer", hint="emonk-ops sandbox up")
        share = (TrafficShare("agent-1", 100),)
        template = cast("Any", None)
        pinned = share if read()["pinned"] else (TrafficShare("", 100),)
        return Service(
            "agent", "http://x", "e", 1, True, "", "agent-2", "agent-2", pinned, share, template, {}
        )


class Driven:
    def driver(self) -> DriverState:
        return DriverState("legacy", 3, "agent-1", "agent-1", "driving", 0, 0)


class Jobs:
    def describe(self) -> TickJob | None:
        state = read()["job"]
        spec = TickJobSpec("* * * * *", "Etc/UTC", "http://x/cron/tick")
        return TickJob("agent-tick", spec, state, None, None, None) if state else None

    def pause(self) -> TickJob:
        return self._turned("PAUSED")

    def resume(self) -> TickJob:
        return self._turned("ENABLED")

    def run(self) -> TickJob:
        return self._turned(read()["job"])

    def _turned(self, state: str) -> TickJob:
        FILE.write_text(json.dumps({**read(), "job": state}))
        job = self.describe()
        assert job is not None
        return job


class SmallLogs:
    def entries(self, query: str, **_bounds: object) -> Iterator[LogEntry]:
        if 'message="Scheduler tick completed"' in query:
            for minute in (2, 1):
                told = {"jobs_due": float(minute), "storage_reads": 0.0}
                yield entry(minute, "Scheduler tick completed", told)
        if 'job_id="[red]"' in query:
            yield entry(1, "Executing job [red]", {"job_id": "[red]"})

    def tail(self, query: str) -> Iterator[LogEntry]:
        while True:
            yield from self.entries(query)
            time.sleep(0.02)


def entry(minute: int, message: str, payload: dict[str, Any]) -> LogEntry:
    at = datetime(2026, 1, 5, 12, minute, tzinfo=UTC)
    return LogEntry(at, "i", "stdout", "INFO", message, {"message": message, **payload}, {}, {}, {})


def open_toolbox(
    env: Environment, *, waits: bool, keep: Path, say: Callable[[str], None]
) -> Toolbox:
    ports = cast(
        "Ports",
        SimpleNamespace(
            clock=SystemClock(), run=Run(), jobs=Jobs(), logs=SmallLogs(), service=Driven()
        ),
    )
    return Toolbox(env, ports, keep, waits=waits, say=say)


def collaborators(argv: list[str]) -> Collaborators:
    return Collaborators(open_toolbox=open_toolbox, load_stage=load_stage, argv=tuple(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    build()(args=sys.argv[1:], prog_name="emonk-ops", obj=collaborators(sys.argv[1:]))

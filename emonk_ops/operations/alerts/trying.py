"""Each alert's reason caused, its incident waited for, the reason ended, its close waited for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from emonk_ops.errors import UsageError
from emonk_ops.monitoring_ports import Document, Incident
from emonk_ops.operations.alerts import causes
from emonk_ops.operations.alerts.keeping import found_policies
from emonk_ops.operations.alerts.policies import FIVE_MINUTES, Timing, timing
from emonk_ops.operations.driver import ENABLED
from emonk_ops.operations.waiting import ask_until
from emonk_ops.settings import Target
from emonk_ops.toolbox import Toolbox

LOOK_EVERY_SECONDS = 15.0
# Lines reach a metric, and a metric its policy, some minutes later.
SLACK_SECONDS = 300


class Outcome(StrEnum):
    FIRED = "fired"
    SILENT = "did not fire"
    NOT_TRIED = "cannot be tested here"


@dataclass(frozen=True)
class Trial:
    """How the alert `name` is tested.

    `obstacle` says why it cannot be tested here, or nothing; `opens_within` is in seconds from
    when the cause is there. `closes` is False where no later value says that it is over.
    """

    name: str
    how: str
    cause: Callable[[Toolbox], AbstractContextManager[None]]
    opens_within: Callable[[Timing], int]
    obstacle: Callable[[Toolbox], str] = lambda _tools: ""
    closes: bool = True


@dataclass(frozen=True)
class Tried:
    """What came of a trial."""

    name: str
    outcome: Outcome
    sentence: str


def chosen(name: str) -> tuple[str, ...]:
    """One by name, or all. Raises UsageError."""
    names = tuple(one.name for one in TRIALS)
    if name and name not in names:
        raise UsageError(f"there is no alert {name}", hint=f"Alerts: {', '.join(names)}")
    return (name,) if name else names


def attempt(tools: Toolbox, name: str) -> Tried:
    """Cause, wait, end, wait. What was begun is ended whatever happens."""
    trial = next(one for one in TRIALS if one.name == name)
    policy = found_policies(tools).get(trial.name)
    obstacle = _not_now(tools, policy) or trial.obstacle(tools)
    if obstacle or policy is None:
        return Tried(trial.name, Outcome.NOT_TRIED, obstacle)
    begun = tools.clock.now()
    tools.say(f"{trial.name}: {trial.how}")
    with trial.cause(tools):
        opened = _opened(tools, policy, begun, trial.opens_within(timing(tools.env)))
    if opened is None:
        waited = (tools.clock.now() - begun).total_seconds()
        return Tried(trial.name, Outcome.SILENT, f"{trial.how}; no incident within {waited:.0f} s")
    after = (opened.opened_at - begun).total_seconds()
    told = f"{trial.how}; the incident opened after {after:.0f} s"
    return Tried(trial.name, Outcome.FIRED, f"{told}; {_close(tools, trial, policy, opened)}")


def _not_now(tools: Toolbox, policy: Document | None) -> str:
    if policy is None:
        return f"its policy is not there: emonk-ops alerts apply --env {tools.env.name}"
    if not policy.get("enabled", True):
        return "its policy is disabled"
    if any(one.state == "OPEN" for one in _of(tools, policy)):
        return "an incident of it is open already"
    return ""


def _opened(tools: Toolbox, policy: Document, since: datetime, seconds: int) -> Incident | None:
    return ask_until(
        tools.clock,
        lambda: next((one for one in _of(tools, policy) if one.opened_at >= since), None),
        lambda found: found is not None,
        seconds=float(seconds + SLACK_SECONDS),
        every=LOOK_EVERY_SECONDS,
    )


def _close(tools: Toolbox, trial: Trial, policy: Document, opened: Incident) -> str:
    itself = "it closes by itself 30 minutes after the last value"
    if not trial.closes:
        return itself
    time = timing(tools.env)
    tools.say(f"{trial.name}: fired; the cause is ended, waiting until the incident closes")
    left = ask_until(
        tools.clock,
        lambda: [
            one
            for one in _of(tools, policy)
            if one.opened_at == opened.opened_at and one.state == "OPEN"
        ],
        lambda found: not found,
        seconds=float(time.window + 2 * time.period + SLACK_SECONDS),
        every=LOOK_EVERY_SECONDS,
    )
    return f"still open; {itself}" if left else "closed once the cause was gone"


def _of(tools: Toolbox, policy: Document) -> list[Incident]:
    return [one for one in tools.monitoring.incidents() if one.policy == policy["name"]]


def _not_by_scheduler(tools: Toolbox) -> str:
    job = tools.jobs.describe()
    if job is None or job.state != ENABLED:
        state = "missing" if job is None else job.state
        return f"the Cloud Scheduler job is {state}, so pausing it changes nothing"
    driver = tools.service.driver().driver
    return "" if driver == "cloud" else f"{driver or 'nobody'} drives, not Cloud Scheduler alone"


def _not_on_firestore(tools: Toolbox) -> str:
    if tools.env.target is not Target.SANDBOX:
        return "only the sandbox's Firestore can be told to fail"
    storage = tools.run.describe_service().template.env.get("SCHEDULER_STORAGE", "")
    return "" if storage == "firestore" else f"the service keeps its jobs in {storage or 'json'}"


def _sustained(time: Timing) -> int:
    return FIVE_MINUTES + 4 * time.period


TRIALS = (
    Trial(
        "tick-failures",
        "jobs that call an address where nobody answers",
        causes.failing_jobs,
        _sustained,
    ),
    Trial(
        "not-executing",
        "Firestore refuses the service's writes, so that nothing due can be claimed",
        causes.refused_writes,
        _sustained,
        _not_on_firestore,
    ),
    Trial(
        "storage-errors",
        "Firestore refuses the service with PERMISSION_DENIED (the ticks fail too)",
        causes.refused_by_the_store,
        _sustained,
        _not_on_firestore,
    ),
    Trial(
        "duplicates",
        "written log entries labelled as a test (nothing ran twice)",
        causes.written_duplicate,
        lambda _time: 120,
        closes=False,
    ),
    Trial(
        "tick-latency",
        "a job that takes two seconds longer than a tick may",
        causes.slow_job,
        lambda time: 2 * time.period,
    ),
    Trial(
        "heartbeat",
        "the Cloud Scheduler job is paused",
        causes.silence,
        lambda time: time.silence + time.period,
        _not_by_scheduler,
    ),
    Trial(
        "lag",
        "a job due while the Cloud Scheduler job is paused (the heartbeat may fire too)",
        causes.late_job,
        lambda time: 2 * time.period,
        _not_by_scheduler,
    ),
)

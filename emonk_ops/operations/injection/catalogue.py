"""The injections there are, and which of them make a suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emonk_ops.errors import NotFound, UsageError
from emonk_ops.operations.injection.bad_auth import BadAuth
from emonk_ops.operations.injection.basics import JobExecution, LeaseCycle, ManualTrigger
from emonk_ops.operations.injection.duplicate_trigger import DuplicateTrigger
from emonk_ops.operations.injection.firestore_outage import FirestoreOutage
from emonk_ops.operations.injection.injection import Injection
from emonk_ops.operations.injection.missed_ticks import MissedTicks
from emonk_ops.operations.injection.model import Facts, Observation, Verdict
from emonk_ops.operations.injection.overdue_job import OverdueJob
from emonk_ops.operations.injection.phases import verdict_of
from emonk_ops.operations.injection.restart import Restart
from emonk_ops.operations.injection.slow_tick import SlowTick

FAULTS: tuple[Injection, ...] = (
    DuplicateTrigger(),
    Restart(),
    FirestoreOutage(),
    OverdueJob(),
    SlowTick(),
    MissedTicks(),
    BadAuth(),
)
BASICS: tuple[Injection, ...] = (ManualTrigger(), JobExecution(), LeaseCycle())


@dataclass(frozen=True)
class Part:
    """One line of a suite: what the guide calls it, and the injection that answers it."""

    line: str
    injection: str
    options: Mapping[str, str] = field(default_factory=dict)


# "Failure Injection Tests" of stage 4.
STAGE_4 = (
    Part("Duplicate Scheduler Trigger", "duplicate-trigger", {"via": "scheduler"}),
    Part("Cloud Run Restart Mid-Execution", "restart", {"mode": "drain"}),
    Part("Cloud Run Restart Mid-Execution", "restart", {"mode": "kill"}),
    Part("Firestore Transient Error", "firestore-outage", {"mode": "iam"}),
    Part("Clock Skew / Overdue Jobs", "overdue-job", {"skew": "10m"}),
)


def appendix(storage: str, sandbox: bool) -> tuple[Part, ...]:
    """The guide's "Post-Deployment Tests (QA)". On JSON a restart drains: a kill loses the file."""
    mode = "kill" if storage == "firestore" else "drain"
    outage = "transient" if sandbox else "iam"
    return (
        Part("Manual scheduler trigger", "manual-trigger"),
        Part("Job execution verification", "job-execution"),
        Part("Lease claim/release verification", "lease-cycle"),
        Part("Duplicate trigger test", "duplicate-trigger", {"via": "scheduler"}),
        Part("Restart mid-execution test", "restart", {"mode": mode}),
        Part("Overdue job catch-up test", "overdue-job", {"skew": "10m"}),
        Part("Error handling test", "firestore-outage", {"mode": outage}),
    )


def find(name: str) -> Injection:
    """Raises UsageError."""
    for one in (*FAULTS, *BASICS):
        if one.name == name:
            return one
    there = ", ".join(one.name for one in FAULTS)
    raise UsageError(f"there is no injection {name}", hint=f"Injections: {there}")


def options_of(injection: Injection, given: Mapping[str, str]) -> dict[str, str]:
    """Every option of the injection, the default where none is given. Raises UsageError."""
    chosen = {}
    for name, values in injection.choices.items():
        value = given.get(name) or values[0]
        if value not in values:
            raise UsageError(
                f"--{name} {value} of {injection.name}", hint=f"One of {', '.join(values)}"
            )
        chosen[name] = value
    for name in given:
        if given[name] and name not in injection.choices:
            raise UsageError(
                f"{injection.name} has no option --{name}", hint="emonk-ops inject list"
            )
    return chosen


def judged_again(evidence: Facts) -> tuple[Verdict, tuple[Observation, ...]]:
    """The verdict of kept evidence, reached anew. Raises NotFound for what is no evidence."""
    name = str(evidence.get("injection", ""))
    known = {one.name: one for one in (*FAULTS, *BASICS)}
    if name not in known:
        raise NotFound("this is no evidence of an injection: it names none that is known")
    return verdict_of(known[name], evidence)

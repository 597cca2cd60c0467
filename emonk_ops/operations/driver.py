"""Who drives: the legacy loop, Cloud Scheduler, both in shadow, or nobody."""

from __future__ import annotations

from dataclasses import dataclass

from emonk_ops.errors import NotOffered
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import default_driver
from emonk_ops.ports import DriverState, TickJob
from emonk_ops.rollout.model import Finding, Verdict
from emonk_ops.toolbox import Toolbox

ENABLED = "ENABLED"


@dataclass(frozen=True)
class Driving:
    """Who drives, by the service's own word and by the scheduler job's state."""

    state: DriverState | None  # None: the service has no admin API
    assumed: str  # by its environment, when it cannot say
    job: TickJob | None

    @property
    def driver(self) -> str:
        return self.state.driver or self.assumed if self.state else self.assumed

    @property
    def job_enabled(self) -> bool:
        return self.job is not None and self.job.state == ENABLED

    def facts(self) -> dict[str, object]:
        return {
            "driver": self.driver,
            "epoch": self.state.epoch if self.state else None,
            "driving_revision": self.state.revision if self.state else None,
            "role": self.state.role if self.state else None,
            "said_by": "service" if self.state else "environment of the serving revision",
            "job_state": self.job.state if self.job else None,
        }


def who_drives(tools: Toolbox) -> Driving:
    assumed = default_driver(serving_revision(tools).env)
    try:
        state = tools.service.driver()
    except NotOffered:
        state = None
    return Driving(state, assumed, tools.jobs.describe())


def one_driver(tools: Toolbox) -> Finding:
    """Exactly one path may run jobs, whichever it is."""
    found = who_drives(tools)
    return _judge(found, expected=found.driver)


def at_most_one_driver(tools: Toolbox) -> Finding:
    """Two are refused. Nobody is not: an interrupted run leaves that, and the stage cures it.

    With an admin API the service's own record decides, and it turns the other's ticks away.
    """
    found = who_drives(tools)
    told, facts = _told(found), found.facts()
    if found.driver == "legacy" and found.job_enabled:
        if found.state is None:
            hint = f"emonk-ops scheduler pause --env {tools.env.name}"
            return Finding(Verdict.FAIL, f"two could drive: {told}", facts, hint)
        told += "; the service turns its ticks away"
    if found.driver == "nobody" or (found.state and found.state.role != "driving"):
        told += "; nobody drives now, this stage ends that"
    return Finding(Verdict.PASS, told, facts)


def legacy_drives_alone(tools: Toolbox) -> Finding:
    return _judge(who_drives(tools), expected="legacy")


def cloud_drives_alone(tools: Toolbox) -> Finding:
    return _judge(who_drives(tools), expected="cloud")


def cloud_drives_or_will(tools: Toolbox) -> Finding:
    """A revision that serves and does not drive yet is what an interrupted run leaves.

    Its next tick, or the stage's own step, makes it take the drive on.
    """
    found = who_drives(tools)
    told, facts = _told(found), found.facts()
    waits = found.state is not None and found.state.role == "standby"
    if waits and found.driver == "cloud" and found.job_enabled:
        told += "; the serving revision does not drive yet, this stage ends that"
        return Finding(Verdict.PASS, told, facts)
    return _judge(found, expected="cloud")


def both_drive(tools: Toolbox) -> Finding:
    return _judge(who_drives(tools), expected="shadow")


def no_job_enabled(tools: Toolbox) -> Finding:
    job = tools.jobs.describe()
    if job is None:
        return Finding(Verdict.PASS, f"there is no job {tools.env.service.job}")
    facts = {"state": job.state}
    if job.state == ENABLED:
        # Pausing the only driver would leave nobody.
        cloud = who_drives(tools).driver == "cloud"
        way_out = "rollback" if cloud else "scheduler pause"
        told = "it drives" if cloud else "it would tick beside the legacy loop"
        return Finding(
            Verdict.FAIL,
            f"{job.name} is ENABLED: {told}",
            facts,
            f"emonk-ops {way_out} --env {tools.env.name}",
        )
    return Finding(Verdict.PASS, f"{job.name} is {job.state}", facts)


def _judge(found: Driving, *, expected: str) -> Finding:
    told, facts = _told(found), found.facts()
    if found.driver == "nobody":
        return Finding(Verdict.FAIL, f"nobody drives ({told})", facts)
    if found.driver != expected:
        return Finding(Verdict.FAIL, f"{told}; expected {expected}", facts)
    if expected == "legacy" and found.job_enabled:
        return Finding(Verdict.FAIL, f"two could drive: {told}", facts)
    if expected in ("cloud", "shadow") and not found.job_enabled:
        return Finding(Verdict.FAIL, f"nobody ticks: {told}", facts)
    if found.state and found.state.role != "driving":
        return Finding(Verdict.FAIL, f"the serving revision is {found.state.role}: {told}", facts)
    return Finding(Verdict.PASS, told, facts)


def _told(found: Driving) -> str:
    job = found.job.state if found.job else "absent"
    told = f"driver {found.driver}, scheduler job {job}"
    return f"{told}, epoch {found.state.epoch}" if found.state and found.state.epoch else told

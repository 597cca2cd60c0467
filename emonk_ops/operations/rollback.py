"""The inverse of a stage, computed from what was captured before it. No build, no arguments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from emonk_ops.errors import CloudError, NotOffered, StepFailed
from emonk_ops.operations import activation, carry, driver, probes, tick_job, traffic
from emonk_ops.operations.carried_file import Carried
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.ports import TickJobSpec
from emonk_ops.rollout.model import Finding, Step, StepResult, Verdict
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

Facts = Mapping[str, Any]
ILL_AFTER_SECONDS = 5.0


def inverse_steps(env: Environment, captured: Facts) -> tuple[Step, ...]:
    """In the order that never leaves two drivers: pause, carry back, restore the job, look."""
    revision, drove = captured["revision"], captured["driver"]

    def restore_revision(tools: Toolbox) -> StepResult:
        return _restore_revision(tools, captured)

    def job_as_before(tools: Toolbox) -> StepResult:
        return restore_job(tools, captured)

    def look_at_it(tools: Toolbox) -> StepResult:
        return look(tools, captured)

    return (
        Step("pause-job", f"Pause {env.service.job}", tick_job.ensure_paused, budget_seconds=5.0),
        Step(
            "restore-revision",
            f"Traffic back to {revision} with all jobs; {drove} drives",
            restore_revision,
            budget_seconds=60.0,
        ),
        Step("restore-job", _job_title(env, captured), job_as_before, budget_seconds=10.0),
        Step(
            "one-driver", f"Exactly one driver, {drove}; healthy", look_at_it, budget_seconds=30.0
        ),
    )


def _job_title(env: Environment, captured: Facts) -> str:
    job = captured.get("scheduler_job")
    if job is None:
        return f"{env.service.job} was absent before: it stays, paused"
    return f"{env.service.job} as it was: {job['state']}"


def _restore_revision(tools: Toolbox, captured: Facts) -> StepResult:
    wanted, drove = str(captured["revision"]), str(captured["driver"])
    serving = serving_revision(tools).name
    left = carry.unfinished(tools)
    if serving != wanted and not _is_well(tools, serving):
        return _leave_the_ill_one(tools, left, serving, wanted, drove)
    came_from_there = left is not None and serving != wanted and left.from_revision == wanted
    if left and came_from_there and not carry.arrived(tools, left):
        return _give_back(tools, left, wanted, drove)
    facts: dict[str, Any] = {}
    if left:
        facts = carry.bring(tools, left, serving)
    if serving != wanted:
        facts = carry.carry_over(
            tools, lambda: traffic.to_revision(tools, wanted), driver_after=drove
        )
        return StepResult(True, _told(facts, drove), facts)
    if driven := activation.ensure_driver_if_offered(tools, drove):
        return StepResult(
            True, f"{wanted} serves; {drove} drives (epoch {driven['epoch']})", driven
        )
    if facts:
        return StepResult(True, _told(facts, drove), facts)
    return StepResult(False, f"already so: {wanted} serves, {drove} drives")


def _give_back(tools: Toolbox, left: Carried, wanted: str, drove: str) -> StepResult:
    """The jobs never arrived where the traffic went: they go home without passing through it."""
    traffic.to_revision(tools, wanted)
    facts = carry.bring(tools, replace(left, driver_after=drove), wanted)
    return StepResult(True, _told(facts, drove), facts)


def _is_well(tools: Toolbox, revision: str) -> bool:
    """Whether the revision can be asked for its jobs. A missing admin API is no illness."""
    try:
        tools.service.driver()
    except NotOffered:
        return True
    except CloudError:
        pass  # a moment's trouble is told from an illness by asking for its health for a while
    return carry.answers(tools, revision, seconds=ILL_AFTER_SECONDS) == (200, revision)


def _leave_the_ill_one(
    tools: Toolbox, left: Carried | None, ill: str, wanted: str, drove: str
) -> StepResult:
    """Traffic first: what does not answer gives no jobs, and must not keep anybody waiting."""
    traffic.to_revision(tools, wanted)
    told = f"{wanted} serves (PINNED); {ill} did not answer"
    left = left or carry.before_it(tools, wanted)
    if left:
        facts = carry.bring(tools, replace(left, driver_after=drove), wanted)
        return StepResult(
            True,
            f"{told}; {facts['jobs']} jobs as they were before it, so that a slot that {ill} ran "
            f"may run again with the same idempotency key; {drove} drives",
            facts,
        )
    driven = activation.ensure_driver_if_offered(tools, drove) or {}
    return StepResult(
        True,
        f"{told}: {drove} drives with the jobs that {wanted} has; what {ill} alone knew is lost",
        driven,
    )


def restore_job(tools: Toolbox, captured: Facts) -> StepResult:
    """Its specification and state as captured. One that we made stays, paused: it costs nothing."""
    before = captured.get("scheduler_job")
    now = tools.jobs.describe()
    if before is None or now is None:
        state = "absent" if now is None else now.state
        return StepResult(False, f"already so: {tools.env.service.job} is {state}")
    changed = False
    spec = TickJobSpec(**before["spec"])
    found = tick_job.drift(now.spec, spec)
    if found:
        now = tools.jobs.update(spec)
        changed = True
    if before["state"] == driver.ENABLED and now.state != driver.ENABLED:
        now = tools.jobs.resume()
        changed = True
    told = f"{now.name} is {now.state}, as captured"
    return StepResult(changed, told if changed else f"already so: {told}", {"diff": found})


def look(tools: Toolbox, captured: Facts) -> StepResult:
    drove = str(captured["driver"])
    judge = driver.cloud_drives_alone if drove == "cloud" else driver.legacy_drives_alone
    if drove not in ("legacy", "cloud"):
        judge = driver.one_driver
    findings: dict[str, Finding] = {"driver": judge(tools), "health": probes.healthy(tools)}
    bad = [
        f"{name}: {one.summary}"
        for name, one in findings.items()
        if one.verdict is not Verdict.PASS
    ]
    if bad:
        raise StepFailed(
            f"after the rollback: {'; '.join(bad)}",
            hint=f"emonk-ops rollback --env {tools.env.name}",
        )
    told = "; ".join(one.summary for one in findings.values())
    return StepResult(False, told, {name: dict(one.facts) for name, one in findings.items()})


def _told(facts: Mapping[str, Any], drove: str) -> str:
    told = f"{facts['revision']} serves (PINNED)"
    if not facts.get("carried"):
        return f"{told}; jobs not carried: {facts.get('why')}"
    return (
        f"{told}; {facts['jobs']} jobs carried back{carry.held(facts)}; "
        f"{drove} drives (epoch {facts['epoch']}); "
        f"nobody drove for {facts['nobody_drove_seconds']:.1f} s"
    )

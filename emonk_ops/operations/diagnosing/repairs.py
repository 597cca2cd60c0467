"""What is safe to do at once about a cause: each looks, acts, reads back, and may be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from emonk_ops.access_ports import ProjectAccess
from emonk_ops.errors import Refused, StepFailed
from emonk_ops.operations import job_changes
from emonk_ops.operations.diagnosing.model import Named
from emonk_ops.operations.diagnosing.refused import INVOKER_ROLE
from emonk_ops.operations.injection import access
from emonk_ops.operations.tick_job import (
    drift,
    ensure_enabled,
    ensure_job,
    preview_enabled,
    preview_job,
    wanted_spec,
)
from emonk_ops.rollout.model import Step, StepResult
from emonk_ops.toolbox import Toolbox

REASON = "diagnose --fix: its instance is gone"
Policies = Callable[[Toolbox], ProjectAccess]


def repairs_of(causes: Iterable[Named]) -> tuple[Step, ...]:
    """One step for each repair, in the causes' order; causes that share one are one step."""
    found: dict[str, Step] = {}
    for one in causes:
        make = MAKERS.get(one.cause.fix)
        step = make(one) if make is not None else None
        if step is not None and step.id not in found:
            found[step.id] = step
    return tuple(found.values())


def _resume(_named: Named) -> Step:
    title = "let the Cloud Scheduler job tick again"
    return Step("resume-scheduler-job", title, ensure_enabled, preview_enabled)


def _bring_back(_named: Named) -> Step:
    title = "bring the Cloud Scheduler job back to its specification"
    return Step("bring-job-back", title, _bring, preview_job)


def _bring(tools: Toolbox) -> StepResult:
    """Never creates one: a job that is gone is stage 2's to make."""
    job = tools.jobs.describe()
    if job is None:
        raise Refused(
            f"there is no {tools.env.service.job} any more",
            hint=f"emonk-ops stage 2 --env {tools.env.name}",
        )
    if not drift(job.spec, wanted_spec(tools)):
        return StepResult(False, f"already so: {job.name}, {job.state}")
    return ensure_job(tools)


def _grant_invoker(named: Named) -> Step:
    member = f"serviceAccount:{named.suspect.facts['account']}"
    return _grant("grant-invoker", member, INVOKER_ROLE, lambda tools: tools.invokers)


def _grant_datastore(named: Named) -> Step | None:
    if not named.suspect.facts["lacks_role"]:
        return None  # the role is there: a change of access takes minutes
    member = f"serviceAccount:{named.suspect.facts['account']}"
    return _grant("grant-datastore", member, access.ROLE, lambda tools: tools.access)


def _grant(name: str, member: str, role: str, where: Policies) -> Step:
    def run(tools: Toolbox) -> StepResult:
        policies = where(tools)
        if not access.merged(policies, lambda policy: access.given(policy, member, role)):
            return StepResult(False, f"already so: {member} has {role}")
        if not access.has_always(policies.policy(), member, role):
            raise StepFailed(f"{role} was given to {member}, and read back it is not there")
        return StepResult(True, f"{member} has {role}; it takes effect within some minutes")

    def preview(tools: Toolbox) -> StepResult:
        policy = where(tools).policy()
        if access.has_always(policy, member, role):
            return StepResult(False, f"already so: {member} has {role}")
        return StepResult(True, "add one binding", {"diff": {role: ["", member]}})

    return Step(name, f"give {role} to {member}", run, preview)


def _release(named: Named) -> Step:
    leases = {str(one["job"]): one for one in named.suspect.facts["leases"]}
    return Step(
        "release-leases",
        "release the leases of instances that are gone",
        partial(_release_all, leases=leases),
        partial(_preview_release, leases=leases),
    )


def _release_all(tools: Toolbox, leases: Mapping[str, Mapping[str, Any]]) -> StepResult:
    told = []
    for job_id, seen in leases.items():
        if not _still_held(tools, job_id, seen):
            continue
        done = job_changes.release(tools.service, job_id, force=True, reason=REASON)
        if tools.service.job(job_id).get("lease_by") == seen["by"]:
            raise StepFailed(f"the lease of {job_id} was released, and read back it is there")
        told.append(f"{job_id}: {done.sentence}")
    if not told:
        return StepResult(False, f"already so: nobody gone holds {', '.join(leases)}")
    return StepResult(True, "; ".join(told), {"jobs": list(leases)})


def _preview_release(tools: Toolbox, leases: Mapping[str, Mapping[str, Any]]) -> StepResult:
    held = {
        job_id: [f"held by {seen['by']}, fence {seen['fence']}", "free"]
        for job_id, seen in leases.items()
        if _still_held(tools, job_id, seen)
    }
    if not held:
        return StepResult(False, "already so: nobody gone holds them")
    return StepResult(True, "each is due at once", {"diff": held})


def _still_held(tools: Toolbox, job_id: str, seen: Mapping[str, Any]) -> bool:
    """By the very lease that was seen: another one's holder may be at work."""
    job = tools.service.job(job_id)
    if job.get("lease_by") != seen["by"] or int(job.get("fence", 0)) != seen["fence"]:
        return False
    until: datetime = seen["until"]
    return datetime.fromisoformat(str(job["lease_until"])) == until


def _resume_jobs(named: Named) -> Step:
    ids = named.suspect.about
    return Step(
        "resume-jobs",
        "resume stored jobs",
        partial(_resume_all, ids=ids),
        partial(_preview_resume, ids=ids),
    )


def _resume_all(tools: Toolbox, ids: tuple[str, ...]) -> StepResult:
    done = {one: job_changes.resume(tools.service, one) for one in ids}
    changed = {name: one for name, one in done.items() if one.changed}
    if not changed:
        return StepResult(False, f"already so: {', '.join(ids)} not paused")
    if left := [one for one in changed if tools.service.job(one)["paused"]]:
        raise StepFailed(f"{', '.join(left)} resumed, and read back still paused")
    told = "; ".join(f"{name}: {one.sentence}" for name, one in changed.items())
    return StepResult(True, told, {"jobs": list(changed)})


def _preview_resume(tools: Toolbox, ids: tuple[str, ...]) -> StepResult:
    paused = {one: ["paused", "due"] for one in ids if tools.service.job(one)["paused"]}
    if not paused:
        return StepResult(False, "already so: none is paused")
    return StepResult(True, "their misfire policy looks after missed slots", {"diff": paused})


MAKERS: Mapping[str, Callable[[Named], Step | None]] = {
    "resume-scheduler-job": _resume,
    "bring-job-back": _bring_back,
    "grant-invoker": _grant_invoker,
    "grant-datastore": _grant_datastore,
    "release-leases": _release,
    "resume-jobs": _resume_jobs,
}

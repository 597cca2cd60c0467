"""The partial rollback's steps: out of Firestore, while Cloud Scheduler stays the only driver."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from emonk_ops.errors import CloudError, NotOffered, StepFailed
from emonk_ops.operations import (
    activation,
    carried_file,
    carry,
    deploy,
    left_behind,
    old_jobs,
    tick_job,
)
from emonk_ops.operations import rollback as usual
from emonk_ops.operations.old_jobs import OldJobs
from emonk_ops.operations.prerequisites import serving_revision
from emonk_ops.operations.service_env import storage_of
from emonk_ops.rollout.model import Step, StepResult
from emonk_ops.settings import Environment
from emonk_ops.toolbox import Toolbox

READ_SECONDS = 10.0


@dataclass(frozen=True)
class Loss:
    """What would not come along, in a sentence; `old` is what comes instead."""

    sentence: str
    lossy: bool
    old: OldJobs | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def steps(env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "json-revision",
            "A revision on JSON storage without the loop, one instance, with the jobs",
            _ensure,
            preview=_preview,
            budget_seconds=120.0,
        ),
        Step(
            "enable",
            f"{env.service.job} is enabled: Cloud Scheduler stays the driver",
            tick_job.ensure_enabled,
            preview=tick_job.preview_enabled,
            budget_seconds=10.0,
        ),
        Step(
            "one-driver",
            "Exactly one driver, cloud; JSON storage; healthy",
            _look,
            budget_seconds=30.0,
        ),
    )


def loss(tools: Toolbox) -> Loss:
    """Asked before anything is changed. Raises StateDamaged for an export that is damaged."""
    if storage_of(serving_revision(tools).env) != "firestore":
        return Loss("nothing is lost: the jobs are on JSON storage already", False)
    try:
        exported = tools.service.export_jobs(seconds=READ_SECONDS)
    except NotOffered as error:
        return Loss(f"ALL JOBS STAY in Firestore: {error.message}", True)
    except CloudError as error:
        old = old_jobs.newest(tools)
        told = old_jobs.NONE_KNOWN if old is None else old.sentence()
        facts = {} if old is None else old.facts()
        return Loss(f"Firestore cannot be read ({error.message}); {told}", True, old, facts)
    count = exported["count"]
    return Loss(f"nothing is lost: Firestore is readable, and all {count} jobs come along", False)


def _ensure(tools: Toolbox) -> StepResult:
    found = loss(tools)
    if not found.lossy:
        return deploy.ensure_cloud_on_json(tools)
    serving = serving_revision(tools).name
    if found.old is None:
        revision = deploy.to_cloud_on_json(tools)
        carry.wait_for_health(tools, revision)
        left_behind.note(tools, left_behind.EVERYTHING)
        with suppress(NotOffered):
            activation.persistently(tools, lambda: activation.ensure_driver(tools, "cloud"))
        return StepResult(True, f"{revision} serves; {found.sentence}")
    carried = found.old.as_carried(serving, "cloud", tools.clock.now())
    carried_file.save(tools.keep, carried)
    revision = deploy.to_cloud_on_json(tools)
    facts = carry.bring(tools, carried, revision)
    return StepResult(True, f"{revision} serves; {found.sentence}", {**facts, **found.facts})


def _preview(tools: Toolbox) -> StepResult:
    found = loss(tools)
    if found.lossy:
        serving = serving_revision(tools).name
        return StepResult(True, f"a new revision on JSON after {serving}; {found.sentence}")
    return deploy.preview_cloud_on_json(tools)


def _look(tools: Toolbox) -> StepResult:
    running = serving_revision(tools)
    if storage_of(running.env) != "json":
        raise StepFailed(
            f"{running.name} serves on {storage_of(running.env)}, not on json",
            hint=f"emonk-ops rollback --partial --env {tools.env.name}",
        )
    return usual.look(tools, {"driver": "cloud"})

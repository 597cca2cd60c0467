"""Stage 5: the legacy path leaves the source and the service, after seven days without it.

The source is somebody's folder, so it is handed in (`--source`); without one a person says what
became of it, and the service alone is cleaned up.
"""

from __future__ import annotations

from dataclasses import replace

from emonk_ops.operations import (
    both_paths,
    clean_service,
    cutover,
    deploy,
    driver,
    prerequisites,
)
from emonk_ops.operations.capture import capture
from emonk_ops.operations.clean_rollback import inverse_steps, point_of_no_return
from emonk_ops.operations.clean_source import Source
from emonk_ops.operations.way_back import remember
from emonk_ops.rollout.model import Check, Reversibility, Stage, Step
from emonk_ops.rollout.stable import stable, stable_soak
from emonk_ops.settings import Environment
from emonk_ops.stages import parts


def checks(_env: Environment) -> tuple[Check, ...]:
    return (
        parts.service_before(),
        Check("storage", "Firestore is the storage", cutover.storage_switched),
        Check("one-driver", "Cloud Scheduler drives alone", driver.cloud_drives_or_will),
        Check("stable", "7 days of stable production operation", stable),
        Check(
            "operator-permissions",
            "IAM permissions configured: the operator's",
            prerequisites.operator_permissions,
        ),
        Check(
            "point-of-no-return",
            "Somebody knows what cannot be undone from here",
            point_of_no_return,
        ),
    )


def plan(env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "deploy",
            "Deploy without the legacy path; Cloud Scheduler drives",
            deploy.ensure_clean,
            preview=deploy.preview_clean,
            budget_seconds=120.0,
        ),
        *parts.job_steps(env),
    )


def verify(env: Environment) -> tuple[Check, ...]:
    return (
        *parts.serves_well(env),
        Check("driver-after", "One driver: Cloud Scheduler", driver.cloud_drives_alone),
        *parts.job_ticks(),
        Check("ticks", "A tick of Cloud Scheduler has completed", both_paths.scheduler_ticks),
        parts.no_startup_errors(),
        Check(
            "no-references-running",
            "No references to removed code: in the running service",
            clean_service.nothing_runs_of_it,
        ),
    )


def acceptance(_env: Environment) -> tuple[Check, ...]:
    """The guide's final verification; its first line is `health` above."""
    return (
        Check("still-healthy", "Service still healthy", prerequisites.service_healthy),
        Check("no-references-source", "No references to removed code: in the source"),
        Check("documentation", "Documentation updated"),
        Check("team-trained", "Team trained on new approach"),
    )


STAGE = Stage(
    number=5,
    name="cleanup",
    title="Cleanup of the legacy code",
    needs=(0, 1, 2, 3, 4),
    checks=checks,
    plan=plan,
    verify=verify,
    acceptance=acceptance,
    capture=capture,
    inverse=inverse_steps,
    remember=remember,
    reversibility=Reversibility.PARTIAL,
    soak_before=stable_soak,
)


def with_source(source: Source) -> Stage:
    """The stage that also cleans up the source in a folder, and looks through it afterwards."""
    first = Step(
        "source",
        f"The legacy path out of {source.folder}, on a branch of its own; its tests",
        source.ensure_clean,
        preview=source.preview,
        local=True,
    )
    measured = {
        "no-references-source": source.nothing_refers_to_it,
        "documentation": source.documents_say_so,
    }

    def acceptance_here(env: Environment) -> tuple[Check, ...]:
        return tuple(
            replace(one, measure=measured.get(one.id, one.measure)) for one in acceptance(env)
        )

    return replace(STAGE, plan=lambda env: (first, *plan(env)), acceptance=acceptance_here)

"""Stage 3: shadow mode. Cloud Scheduler and the legacy loop both drive, in turns, and are compared.

Each slot is executed once: its owner runs it, and the other path only after a grace. In production
this stage resumes the job that stage 2 made paused.
"""

from __future__ import annotations

from emonk_ops.operations import (
    both_paths,
    deploy,
    driver,
    judgeable,
    prerequisites,
)
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.operations.shadow_acceptance import acceptance_checks
from emonk_ops.operations.shadow_neighbours import neighbours_check
from emonk_ops.operations.shadow_soak import shadow_soak
from emonk_ops.rollout.model import Check, Stage, Step
from emonk_ops.settings import Environment
from emonk_ops.stages import parts


def checks(_env: Environment) -> tuple[Check, ...]:
    return (
        parts.service_before(),
        Check("one-driver-before", "At most one driver before", driver.at_most_one_driver),
        Check(
            "json-one-instance",
            "JSON storage has one instance only (max-instances 1)",
            prerequisites.json_has_one_instance,
        ),
        Check("jobs-to-judge", "There are jobs to compare by", judgeable.jobs_to_judge),
        Check("cadence-fits", "The shadow has ticks of both paths", judgeable.cadence_fits),
    )


def plan(env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "shadow-mode",
            "A revision with SCHEDULER_SHADOW_MODE=true, with all jobs; both paths drive",
            deploy.ensure_shadow_revision,
            preview=deploy.preview_shadow_revision,
            budget_seconds=120.0,
        ),
        *parts.job_steps(env),
    )


def verify(env: Environment) -> tuple[Check, ...]:
    return (
        *parts.serves_well(env),
        Check("shadow-mode", "SCHEDULER_SHADOW_MODE is read back", both_paths.shadow_mode_is_on),
        *parts.job_ticks(),
        Check("both-drive", "Both drive, each slot once", driver.both_drive),
        Check("both-alive", "Both paths have completed a tick", both_paths.both_tick),
        parts.no_startup_errors(),
    )


def acceptance(env: Environment) -> tuple[Check, ...]:
    """The guide's eight lines."""
    return (*acceptance_checks(env), neighbours_check(env))


STAGE = Stage(
    number=3,
    name="shadow",
    title="Shadow mode",
    needs=(0, 1, 2),
    checks=checks,
    plan=plan,
    verify=verify,
    acceptance=acceptance,
    capture=capture,
    inverse=inverse_steps,
    soak=shadow_soak,
)

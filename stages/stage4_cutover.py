"""Stage 4: the cutover. All jobs into Firestore, the legacy loop ends, a day of watching.

Two deployments: first the storage, while both paths still drive; then without the loop. In the
environment that gates this one (qa) the same was done before, and the way back was rehearsed.
"""

from __future__ import annotations

from emonk_ops.operations import (
    both_paths,
    cutover,
    deploy,
    driver,
    prerequisites,
)
from emonk_ops.operations.acceptance.checks import acceptance_checks
from emonk_ops.operations.acceptance.soak import production_soak
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.rollout import precedents
from emonk_ops.rollout.model import Check, Reversibility, Stage, Step
from emonk_ops.settings import Environment
from emonk_ops.stages import parts


def checks(env: Environment) -> tuple[Check, ...]:
    """The guide's five, and what a cutover at night needs besides."""
    return (
        Check(
            "shadow-validated", "Shadow mode validated successfully", precedents.shadow_validated
        ),
        Check("storage-target", "Firestore is what it switches to", cutover.target_is_firestore),
        Check("jobs-carried", "All jobs come along", cutover.jobs_can_be_carried),
        Check("firestore-database", "Firestore database created", prerequisites.firestore_database),
        Check(
            "operator-permissions",
            "IAM permissions configured: the operator's",
            prerequisites.operator_permissions,
        ),
        Check(
            "service-permissions",
            "IAM permissions configured: the service account's",
            prerequisites.service_permissions,
        ),
        Check("alerts-configured", "Monitoring alerts configured", cutover.alerts_configured),
        Check("incident-plan", "Incident response plan documented", cutover.incident_plan_named),
        parts.service_before(),
        *(_gates(env) if env.gated_by else ()),
    )


def _gates(env: Environment) -> tuple[Check, ...]:
    gate = env.gated_by
    return (
        Check("gate-passed", f"Stage 4 passed in {gate}", precedents.gate_environment_passed),
        Check(
            "rollback-drill",
            f"A rollback was rehearsed in {gate} within {env.drill_days} days",
            precedents.rollback_rehearsed,
        ),
        Check(
            "failure-injections",
            f"The failure injections passed in {gate}",
            precedents.injections_passed,
        ),
    )


def plan(env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "storage",
            "All jobs into Firestore, counted and compared; both paths drive there",
            deploy.ensure_firestore,
            preview=deploy.preview_firestore,
            budget_seconds=120.0,
        ),
        Step(
            "legacy-off",
            "A revision without the legacy loop; Cloud Scheduler drives alone",
            deploy.ensure_no_loop,
            preview=deploy.preview_no_loop,
            budget_seconds=120.0,
        ),
        *parts.job_steps(env),
    )


def verify(env: Environment) -> tuple[Check, ...]:
    return (
        *parts.serves_well(env),
        Check("storage", "The storage is read back", cutover.storage_switched),
        Check("loop-gone", "The legacy loop is off", cutover.loop_is_gone),
        Check("one-driver", "One driver: Cloud Scheduler", driver.cloud_drives_alone),
        *parts.job_ticks(),
        Check(
            "documents",
            f"Documents of {env.service.collection} are created, with {env.service.lease_field}",
            cutover.jobs_arrived,
        ),
        Check("ticks", "A tick of Cloud Scheduler has completed", both_paths.scheduler_ticks),
        Check("storage-errors", "No errors in Firestore operations", cutover.no_storage_errors),
        parts.no_startup_errors(),
    )


def acceptance(env: Environment) -> tuple[Check, ...]:
    """The guide's seven criteria; the journal answers for the failures that were injected."""
    handled = Check(
        "failures-handled", "Failure scenarios handled gracefully", precedents.failures_handled
    )
    return (*acceptance_checks(env), handled)


STAGE = Stage(
    number=4,
    name="cutover",
    title="Production cutover with Firestore",
    needs=(0, 1, 2, 3),
    checks=checks,
    plan=plan,
    verify=verify,
    acceptance=acceptance,
    capture=capture,
    inverse=inverse_steps,
    reversibility=Reversibility.FULL,
    soak=production_soak,
)

"""Stage 0: pre-deployment validation. It measures and asks; it changes nothing."""

from __future__ import annotations

from emonk_ops.operations import prerequisites, repository
from emonk_ops.rollout.model import Check, Stage, Step
from emonk_ops.settings import Environment


def checks(env: Environment) -> tuple[Check, ...]:
    """The guide's eight prerequisites, its tests and linters, and the cold facts behind them."""
    return (
        Check(
            "service-healthy",
            "Cloud Run service is deployed and healthy",
            prerequisites.service_healthy,
        ),
        Check(
            "environment-configured",
            "Environment variables are configured",
            prerequisites.environment_configured,
        ),
        Check(
            "firestore-database",
            "Firestore database is created (if using Firestore storage)",
            prerequisites.firestore_database,
        ),
        Check(
            "scheduler-api", "Cloud Scheduler API is enabled", prerequisites.scheduler_api_enabled
        ),
        Check(
            "operator-permissions",
            "Required IAM permissions are granted: to the operator",
            prerequisites.operator_permissions,
        ),
        Check(
            "service-permissions",
            "Required IAM permissions are granted: to the service account",
            prerequisites.service_permissions,
        ),
        Check("code-review", "Code review completed"),
        Check("unit-tests", "Unit tests pass", repository.unit_tests_pass),
        Check("integration-tests", "Integration tests pass", repository.integration_tests_pass),
        Check("lint", "Lint: pylint is clean", repository.lint_is_clean),
        Check("type-check", "Type check: mypy is clean", repository.types_check),
        Check(
            "environment-set-up",
            f"{env.name}: environment, storage and cadence are set up",
            prerequisites.environment_set_up,
        ),
        Check(
            "json-one-instance",
            "JSON storage has one instance only (max-instances 1)",
            prerequisites.json_has_one_instance,
        ),
        Check(
            "legacy-loop-cpu",
            "The legacy loop has CPU between requests (min-instances 1, CPU always allocated)",
            prerequisites.legacy_loop_has_cpu,
        ),
        Check(
            "cadence-dst",
            "The cadence meets no change of daylight saving time",
            prerequisites.cadence_avoids_dst,
            advisory=True,
        ),
    )


def plan(_env: Environment) -> tuple[Step, ...]:
    return ()


def nothing_more(_env: Environment) -> tuple[Check, ...]:
    return ()


STAGE = Stage(
    number=0,
    name="preflight",
    title="Pre-deployment validation",
    needs=(),
    checks=checks,
    plan=plan,
    verify=nothing_more,
    acceptance=nothing_more,
    capture=None,
    inverse=None,
)

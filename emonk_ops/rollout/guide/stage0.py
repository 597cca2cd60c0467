"""The guide's stage 0."""

from __future__ import annotations

from emonk_ops.rollout.guide.model import Answer, Line, Section, Where, line, stage

HEADING = "Stage 0: Pre-Deployment Validation"
SET_UP = "environment-set-up"


def here(*ids: str) -> Answer:
    return stage(0, *ids)


def first_environment(text: str) -> Line:
    """A line of QA's; production's plan names where it is answered."""
    return line(
        text,
        stage(0, SET_UP, where=Where.FIRST),
        stage(0, SET_UP, where=Where.GATED, at_gate=True),
    )


def gated_environment(text: str) -> Line:
    return line(text, stage(0, SET_UP, where=Where.GATED))


SECTIONS = (
    Section(
        HEADING,
        "Prerequisites Checklist",
        0,
        (
            line("Cloud Run service is deployed and healthy", here("service-healthy")),
            line(
                "Environment variables are configured (see `.env.example`)",
                here("environment-configured"),
            ),
            line(
                "Firestore database is created (if using Firestore storage)",
                here("firestore-database"),
            ),
            line("Cloud Scheduler API is enabled", here("scheduler-api")),
            line(
                "Required IAM permissions are granted",
                here("operator-permissions", "service-permissions"),
            ),
            line("Code review completed", here("code-review")),
            line("Unit tests pass", here("unit-tests")),
            line("Integration tests pass", here("integration-tests")),
        ),
    ),
    Section(
        HEADING,
        "Environment Setup",
        0,
        (
            first_environment("QA Environment:"),
            first_environment("export ENVIRONMENT=qa"),
            first_environment("export SCHEDULER_STORAGE=json # Start with JSON for QA"),
            first_environment('export SCHEDULER_CADENCE="*/5 * * * *" # Every 5 minutes'),
            gated_environment("Production Environment:"),
            gated_environment("export ENVIRONMENT=production"),
            gated_environment("export SCHEDULER_STORAGE=firestore # Firestore for production"),
            gated_environment('export SCHEDULER_CADENCE="* * * * *" # Every minute'),
        ),
    ),
    Section(
        HEADING,
        "Run Pre-Deployment Tests",
        0,
        (
            line(
                "# Run unit tests; python -m pytest tests/unit/test_scheduler.py -v",
                here("unit-tests"),
            ),
            line(
                "# Run integration tests; python -m pytest tests/integration/test_cron_tick.py -v",
                here("integration-tests"),
            ),
            line(
                "# Lint and type check; python -m pylint src/core/scheduler/",
                here("lint"),
            ),
            line("python -m mypy src/core/scheduler/", here("type-check")),
        ),
    ),
)

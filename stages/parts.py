"""Steps and checks that more than one stage has."""

from __future__ import annotations

from emonk_ops.operations import prerequisites, probes, tick_job, traffic
from emonk_ops.rollout.model import Check, Step
from emonk_ops.settings import Environment


def service_before() -> Check:
    return Check("service-before", "The service is healthy before", prerequisites.service_healthy)


def job_steps(env: Environment) -> tuple[Step, ...]:
    """From stage 3 on the Cloud Scheduler job is as specified, and enabled."""
    return (
        Step(
            "job",
            f"Cloud Scheduler job {env.service.job}: {env.cadence!r}, as specified",
            tick_job.ensure_job,
            preview=tick_job.preview_job,
            budget_seconds=15.0,
        ),
        Step(
            "enable",
            f"Resume {env.service.job}, where it is paused",
            tick_job.ensure_enabled,
            preview=tick_job.preview_enabled,
            budget_seconds=10.0,
        ),
    )


def serves_well(env: Environment) -> tuple[Check, ...]:
    return (
        Check("serving-revision", "The deployed revision serves", traffic.latest_serves),
        Check("health", f"GET {env.service.health_path} answers 200", probes.healthy),
    )


def job_ticks() -> tuple[Check, ...]:
    return (
        Check("job-state", "state: ENABLED, as specified", tick_job.job_enabled_as_specified),
        Check("oidc", "httpTarget.oidcToken configured", tick_job.oidc_configured),
    )


def no_startup_errors() -> Check:
    return Check("startup-errors", "No errors during start-up", probes.no_errors_since_start)

"""Stage 2: Cloud Scheduler ticks.

Where `only_driver` holds (qa) it becomes the only driver. Elsewhere (production) its job is made
paused, one canary tick proves the way in, and the legacy loop keeps driving until stage 3.
"""

from __future__ import annotations

from emonk_ops.operations import deploy, driver, tick_job, tick_metrics
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.operations.way_back import remember
from emonk_ops.rollout.model import Check, Stage, Step
from emonk_ops.settings import Environment
from emonk_ops.stages import parts


def checks(_env: Environment) -> tuple[Check, ...]:
    return (
        parts.service_before(),
        Check("one-driver-before", "At most one driver before", driver.at_most_one_driver),
    )


def plan(env: Environment) -> tuple[Step, ...]:
    ensure_job = Step(
        "job",
        f"Cloud Scheduler job {env.service.job}: {env.cadence!r}, OIDC as {env.tick_invoker}",
        tick_job.ensure_job,
        preview=tick_job.preview_job,
        budget_seconds=15.0,
    )
    return (ensure_job, *(_take_over(env) if env.only_driver else _canary(env)))


def _take_over(env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "hand-over",
            "A revision without the legacy loop, with all jobs; Cloud Scheduler drives",
            deploy.ensure_cloud_revision,
            preview=deploy.preview_cloud_revision,
            budget_seconds=120.0,
        ),
        Step("enable", f"Resume {env.service.job}", tick_job.ensure_enabled, budget_seconds=10.0),
        Step(
            "trigger",
            f"Run {env.service.job} once by hand",
            tick_job.trigger,
            budget_seconds=30.0,
        ),
    )


def _canary(env: Environment) -> tuple[Step, ...]:
    return (
        Step("keep-paused", f"{env.service.job} stays paused", tick_job.ensure_paused),
        Step(
            "canary-tick",
            "One authenticated tick by hand; the legacy loop keeps driving",
            tick_job.canary_tick,
            budget_seconds=30.0,
        ),
    )


def verify(env: Environment) -> tuple[Check, ...]:
    state = "ENABLED" if env.only_driver else "PAUSED"
    who = driver.cloud_drives_alone if env.only_driver else driver.legacy_drives_alone
    name = "Cloud Scheduler" if env.only_driver else "the legacy loop"
    always = (
        Check("job-state", f"state: {state}, as specified", tick_job.job_as_specified),
        Check("oidc", "httpTarget.oidcToken configured", tick_job.oidc_configured),
        Check("one-driver", f"One driver: {name}", who),
    )
    return (*always, *(_ticked() if env.only_driver else _knocked()))


def _ticked() -> tuple[Check, ...]:
    return (
        Check("tick-running", '"Running scheduler tick"', tick_metrics.tick_began),
        Check(
            "tick-metrics",
            '"Scheduler tick completed" with its metrics',
            tick_metrics.tick_logged_with_metrics,
        ),
        Check("last-attempt", "Recent execution in lastAttemptTime", tick_job.recently_attempted),
    )


def _knocked() -> tuple[Check, ...]:
    return (
        Check(
            "canary-logged",
            "The canary tick is logged, and ran no job",
            tick_metrics.idle_tick_logged,
        ),
    )


def acceptance(env: Environment) -> tuple[Check, ...]:
    """The guide's six criteria; nothing ticks yet where the job is still paused."""
    if not env.only_driver:
        return ()
    over = f"over {env.acceptance_intervals} intervals"
    return (
        Check(
            "triggers",
            f"Scheduler job triggers every configured interval, {over}",
            tick_metrics.triggers_every_interval,
        ),
        Check(
            "answers-200",
            f"{env.service.tick_path} returns 200 with metrics",
            tick_metrics.answers_200_with_metrics,
        ),
        Check("no-401", "No authentication errors (401s)", tick_metrics.no_authentication_errors),
        Check(
            "jobs-succeed",
            "Jobs execute successfully",
            tick_metrics.jobs_execute_successfully,
            inconclusive_is_advisory=env.advisory_tendencies,
        ),
        Check(
            "logs-show-ticks", "Cloud Run logs show tick execution", tick_metrics.logs_show_ticks
        ),
        Check("no-complaints", "No errors or warnings in logs", tick_metrics.no_errors_or_warnings),
    )


STAGE = Stage(
    number=2,
    name="enable-scheduler",
    title="Enable Cloud Scheduler",
    needs=(0, 1),
    checks=checks,
    plan=plan,
    verify=verify,
    acceptance=acceptance,
    capture=capture,
    inverse=inverse_steps,
    remember=remember,
)

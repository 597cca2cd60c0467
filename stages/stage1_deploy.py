"""Stage 1: deploy the code with both paths. The legacy loop alone drives, as before."""

from __future__ import annotations

from emonk_ops.operations import deploy, driver, probes, traffic
from emonk_ops.operations.capture import capture
from emonk_ops.operations.rollback import inverse_steps
from emonk_ops.rollout.model import Check, Stage, Step
from emonk_ops.settings import Environment
from emonk_ops.stages import parts


def checks(_env: Environment) -> tuple[Check, ...]:
    return (
        parts.service_before(),
        Check("no-enabled-job", "No scheduler job is enabled", driver.no_job_enabled),
    )


def plan(_env: Environment) -> tuple[Step, ...]:
    return (
        Step(
            "deploy",
            "Deploy both paths, carry the jobs, un-pin traffic; the legacy loop drives",
            deploy.ensure_legacy_revision,
            preview=deploy.preview_legacy_revision,
            budget_seconds=120.0,
        ),
    )


def verify(env: Environment) -> tuple[Check, ...]:
    service = env.service
    lines = " and ".join(f'"{line}"' for line in service.startup_lines)
    return (
        Check("serving-revision", "The deployed revision serves", traffic.latest_serves),
        Check("health", f"GET {service.health_path} answers 200", probes.healthy),
        Check(
            "tick-401",
            f"POST {service.tick_path} without credentials is refused",
            probes.tick_is_guarded,
        ),
        Check(
            "webhook-401",
            f"POST {service.webhook_path} by a stranger is refused",
            probes.webhook_is_guarded,
        ),
        Check("startup-lines", f"Start-up logged: {lines}", probes.startup_lines_logged),
        Check("startup-errors", "No errors during start-up", probes.no_errors_since_start),
    )


def acceptance(_env: Environment) -> tuple[Check, ...]:
    return (
        Check("both-paths", "Both paths exist", probes.both_paths_exist),
        Check("legacy-drives", "The legacy loop alone drives", driver.legacy_drives_alone),
    )


STAGE = Stage(
    number=1,
    name="deploy",
    title="Deploy code with both paths",
    needs=(0,),
    checks=checks,
    plan=plan,
    verify=verify,
    acceptance=acceptance,
    capture=capture,
    inverse=inverse_steps,
)

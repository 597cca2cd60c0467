"""The service's environment variables: the documented set, and what a stage wants of them."""

from __future__ import annotations

from collections.abc import Mapping

from emonk_ops.settings import Environment

# DESIGN section 4; a test compares with the service's own settings.
DOCUMENTED = (
    "PORT",
    "HOST",
    "ENVIRONMENT",
    "SCHEDULER_STORAGE",
    "SCHEDULER_JSON_PATH",
    "SCHEDULER_CLAIM_MODE",
    "SCHEDULER_CADENCE",
    "SCHEDULER_LEGACY_LOOP",
    "SCHEDULER_SHADOW_MODE",
    "SCHEDULER_LEASE_SECONDS",
    "SCHEDULER_HANDLER_TIMEOUT_SECONDS",
    "SCHEDULER_TICK_BUDGET_SECONDS",
    "SCHEDULER_ATTEMPT_DEADLINE_SECONDS",
    "SCHEDULER_REQUEST_TIMEOUT_SECONDS",
    "SCHEDULER_CONCURRENCY",
    "SCHEDULER_STANDBY_SECONDS",
    "SCHEDULER_HANDLERS",
    "VERTEX_AI_PROJECT_ID",
    "GOOGLE_CLOUD_PROJECT",
    "FIRESTORE_EMULATOR_HOST",
    "TICK_AUDIENCE",
    "TICK_INVOKER",
    "ADMIN_USERS",
    "WEBHOOK_ALLOWED_USERS",
    "WEBHOOK_AUDIENCE",
    "OIDC_CERTS_URL",
)
REQUIRED = (
    "ENVIRONMENT",
    "SCHEDULER_STORAGE",
    "SCHEDULER_CADENCE",
    "TICK_AUDIENCE",
    "TICK_INVOKER",
)
STORAGES = ("json", "firestore", "memory")
# How long a fresh JSON revision waits for its jobs before it drives by itself.
STANDBY_SECONDS = 60


def wanted(env: Environment, uri: str, *, legacy_loop: bool) -> dict[str, str | None]:
    """The variables that a deployment sets; storage is stage 4's and stays as it runs."""
    return {
        "ENVIRONMENT": env.name,
        "SCHEDULER_CADENCE": env.cadence,
        "SCHEDULER_LEGACY_LOOP": "true" if legacy_loop else "false",
        "SCHEDULER_SHADOW_MODE": None,
        "SCHEDULER_STANDBY_SECONDS": str(STANDBY_SECONDS),
        # The service compares it with its own tick budget and refuses to start if they clash.
        "SCHEDULER_ATTEMPT_DEADLINE_SECONDS": str(env.attempt_deadline_seconds),
        "TICK_AUDIENCE": env.audience or uri,
        "TICK_INVOKER": env.tick_invoker,
        **env.service_env,
    }


def differences(running: Mapping[str, str], want: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Variable -> [what runs, what is wanted], for those that differ."""
    return {
        name: [running.get(name, "(unset)"), value if value is not None else "(unset)"]
        for name, value in want.items()
        if running.get(name) != value
    }


def is_true(value: str | None) -> bool:
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def default_driver(running: Mapping[str, str]) -> str:
    """Who drives by the environment alone, when the store holds no record."""
    if is_true(running.get("SCHEDULER_SHADOW_MODE")):
        return "shadow"
    return "legacy" if is_true(running.get("SCHEDULER_LEGACY_LOOP")) else "cloud"

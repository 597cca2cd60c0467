"""The service's environment variables: the documented set, and what a stage wants of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Shape:
    """What a stage makes of the service: who drives, through which paths, on which storage."""

    driver: str  # legacy | cloud | shadow
    loop: bool
    storage: str = ""  # empty: as it runs
    knows_loop: bool = True  # False: the variables of the legacy path are not even set

    @property
    def shadow(self) -> bool:
        return self.driver == "shadow"


LEGACY = Shape("legacy", loop=True)
CLOUD = Shape("cloud", loop=False)
SHADOW = Shape("shadow", loop=True)
SHADOW_ON_FIRESTORE = Shape("shadow", loop=True, storage="firestore")
CLOUD_ON_JSON = Shape("cloud", loop=False, storage="json")
CLOUD_ON_FIRESTORE = Shape("cloud", loop=False, storage="firestore")
CLEAN = Shape("cloud", loop=False, storage="firestore", knows_loop=False)
LEGACY_FLAGS = ("SCHEDULER_LEGACY_LOOP", "SCHEDULER_SHADOW_MODE")


def wanted(env: Environment, uri: str, shape: Shape) -> dict[str, str | None]:
    """The variables that a deployment sets; where the shape names no storage, it stays."""
    return {
        "ENVIRONMENT": env.name,
        "SCHEDULER_CADENCE": env.cadence,
        **_loop(shape),
        **_storage(env, shape),
        "SCHEDULER_STANDBY_SECONDS": str(STANDBY_SECONDS),
        # The service compares it with its own tick budget and refuses to start if they clash.
        "SCHEDULER_ATTEMPT_DEADLINE_SECONDS": str(env.attempt_deadline_seconds),
        "TICK_AUDIENCE": env.audience or uri,
        "TICK_INVOKER": env.tick_invoker,
        **env.service_env,
    }


def _loop(shape: Shape) -> dict[str, str | None]:
    if not shape.knows_loop:
        return dict.fromkeys(LEGACY_FLAGS)
    return {
        "SCHEDULER_LEGACY_LOOP": "true" if shape.loop else "false",
        "SCHEDULER_SHADOW_MODE": "true" if shape.shadow else None,
    }


def _storage(env: Environment, shape: Shape) -> dict[str, str | None]:
    if shape.storage != "firestore":
        return {"SCHEDULER_STORAGE": shape.storage} if shape.storage else {}
    return {"SCHEDULER_STORAGE": "firestore", "VERTEX_AI_PROJECT_ID": env.project}


def kept(running: Mapping[str, str], shape: Shape) -> dict[str, str | None]:
    """The storage that runs, where the shape names none: the newest template may have another."""
    if shape.storage:
        return {}
    return {name: running.get(name) for name in ("SCHEDULER_STORAGE", "VERTEX_AI_PROJECT_ID")}


def storage_of(running: Mapping[str, str]) -> str:
    """The storage that runs; json is the service's own default."""
    return running.get("SCHEDULER_STORAGE") or "json"


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

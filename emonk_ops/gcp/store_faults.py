"""Turns what the service's own storage and migration raise into our errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from emonk_ops.errors import (
    CloudError,
    Conflict,
    CredentialsMissing,
    NotOffered,
    OpsError,
    PermissionMissing,
    Refused,
    StateDamaged,
    StepFailed,
    StillLeased,
    Unreachable,
)
from emonk_ops.settings import Environment
from emonk_ops.tick.errors import DriverConflict, StorageDamaged, StorageError, TickError
from emonk_ops.tick.migration.sides import MigrationRefused

AGAIN = "Run the same command again: it goes on where it was interrupted"
BY_CODE: dict[str, type[OpsError]] = {
    "PERMISSION_DENIED": PermissionMissing,
    "UNAUTHENTICATED": CredentialsMissing,
    "UNAVAILABLE": Unreachable,
    "DEADLINE_EXCEEDED": Unreachable,
    "UNIMPLEMENTED": NotOffered,
}
HINTS = {
    "UNIMPLEMENTED": "There is no Firestore there. Start one: gcloud emulators firestore start; "
    "and name it in FIRESTORE_EMULATOR_HOST",
}
BY_REFUSAL: dict[str, type[OpsError]] = {
    "leased": StillLeased,
    "unequal": StepFailed,
    "mark": StateDamaged,
}


@contextmanager
def translated(env: Environment) -> Iterator[None]:
    """Errors of the tick package as ours, the cause kept."""
    try:
        yield
    except TickError as error:
        raise _ours(env, error) from error


def _ours(env: Environment, error: TickError) -> OpsError:
    hint = error.hint or AGAIN
    match error:
        case MigrationRefused():
            return BY_REFUSAL.get(error.code, Refused)(error.message, hint=hint)
        case DriverConflict():
            return Conflict(error.message, hint=f"emonk-ops status --env {env.name}")
        case StorageDamaged():
            return StateDamaged(error.message, hint=hint)
        case StorageError():
            hint = HINTS.get(error.code, error.hint)
            hint = f"{hint} {AGAIN}".strip() if error.transient or not hint else hint
            return BY_CODE.get(error.code, CloudError)(error.message, hint=hint)
    return StepFailed(error.message, hint=hint)

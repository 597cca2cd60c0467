"""Turns what Google's libraries raise into our errors, with the call and the next command named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from emonk_ops.errors import (
    CloudError,
    Conflict,
    CredentialsMissing,
    NotFound,
    NotOffered,
    OpsError,
    PermissionMissing,
    QuotaExceeded,
    Unreachable,
)
from emonk_ops.settings import Environment, Target

PERMISSION = re.compile(r"\b([a-z]+\.[a-zA-Z]+\.[a-zA-Z]+)\b")


@contextmanager
def translated(call: str, env: Environment, *, permission: str = "") -> Iterator[None]:
    """Errors of the `call` (e.g. "run.services.get") as ours, the cause kept."""
    from google.api_core import exceptions as google
    from google.auth import exceptions as auth

    try:
        yield
    except google.GoogleAPICallError as error:
        raise _ours(call, env, permission, error) from error
    except google.RetryError as error:
        cause = error.cause
        if isinstance(cause, google.GoogleAPICallError):
            raise _ours(call, env, permission, cause) from error
        raise unreachable(call, env, str(error)) from error
    except auth.RefreshError as error:
        raise CredentialsMissing(
            f"{call}: the credentials could not be refreshed: {error}",
            hint="gcloud auth application-default login",
        ) from error
    except auth.GoogleAuthError as error:
        raise CredentialsMissing(f"{call}: {error}", hint=_check(env)) from error


def by_status(
    call: str, env: Environment, status: str, words: str, permission: str = ""
) -> CloudError:
    """The error of a canonical status, e.g. "NOT_FOUND"."""
    match status:
        case "NOT_FOUND":
            return NotFound(f"{call}: {words}", hint=_check(env))
        case "PERMISSION_DENIED":
            named = permission or next(iter(PERMISSION.findall(words)), "")
            lacking = f" (permission {named})" if named else ""
            return PermissionMissing(
                f"{call}: permission denied{lacking}: {words}",
                hint=f"emonk-ops config permissions --env {env.name}",
            )
        case "UNAUTHENTICATED":
            return CredentialsMissing(
                f"{call}: {words}", hint="gcloud auth application-default login"
            )
        case "UNIMPLEMENTED":
            return NotOffered(f"{call}: this target does not offer it: {words}")
        case "ABORTED" | "ALREADY_EXISTS":
            return Conflict(
                f"{call}: somebody else changed it in between: {words}",
                hint=f"emonk-ops status --env {env.name}",
            )
        case "RESOURCE_EXHAUSTED":
            return QuotaExceeded(f"{call}: {words}", hint="Run it again in a minute")
        case "UNAVAILABLE" | "DEADLINE_EXCEEDED":
            return unreachable(call, env, words)
    return CloudError(f"{call}: {words}", hint=_check(env))


def unreachable(call: str, env: Environment, words: str) -> Unreachable:
    hint = "emonk-ops sandbox status" if env.target is Target.SANDBOX else _check(env)
    return Unreachable(f"{call}: no answer: {words}", hint=hint)


def _ours(call: str, env: Environment, permission: str, error: Exception) -> OpsError:
    words = str(getattr(error, "message", error)) or type(error).__name__
    return by_status(call, env, _status_of(error), words, permission)


def _status_of(error: Exception) -> str:
    from google.api_core import exceptions as google

    kinds: dict[str, tuple[type[Exception], ...]] = {
        "NOT_FOUND": (google.NotFound,),
        "PERMISSION_DENIED": (google.Forbidden,),
        "UNAUTHENTICATED": (google.Unauthorized,),
        "UNIMPLEMENTED": (google.MethodNotImplemented,),
        "ABORTED": (google.Aborted, google.AlreadyExists),
        "RESOURCE_EXHAUSTED": (google.TooManyRequests,),
        "UNAVAILABLE": (google.ServiceUnavailable, google.GatewayTimeout),
    }
    return next((name for name, kind in kinds.items() if isinstance(error, kind)), "")


def _check(env: Environment) -> str:
    return f"emonk-ops config check --env {env.name}"

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
        raise _unreachable(call, env, str(error)) from error
    except auth.RefreshError as error:
        raise CredentialsMissing(
            f"{call}: the credentials could not be refreshed: {error}",
            hint="gcloud auth application-default login",
        ) from error
    except auth.GoogleAuthError as error:
        raise CredentialsMissing(f"{call}: {error}", hint=_check(env)) from error


def _ours(call: str, env: Environment, permission: str, error: Exception) -> OpsError:
    from google.api_core import exceptions as google

    words = str(getattr(error, "message", error)) or type(error).__name__
    match error:
        case google.NotFound():
            return NotFound(f"{call}: {words}", hint=_check(env))
        case google.PermissionDenied() | google.Forbidden():
            named = permission or next(iter(PERMISSION.findall(words)), "")
            lacking = f" (permission {named})" if named else ""
            return PermissionMissing(
                f"{call}: permission denied{lacking}: {words}",
                hint=f"emonk-ops config permissions --env {env.name}",
            )
        case google.Unauthenticated() | google.Unauthorized():
            return CredentialsMissing(
                f"{call}: {words}", hint="gcloud auth application-default login"
            )
        case google.MethodNotImplemented():
            return NotOffered(f"{call}: this target does not offer it: {words}")
        case google.Aborted() | google.AlreadyExists():
            return Conflict(
                f"{call}: somebody else changed it in between: {words}",
                hint=f"emonk-ops status --env {env.name}",
            )
        case google.TooManyRequests():
            return QuotaExceeded(f"{call}: {words}", hint="Run it again in a minute")
        case google.ServiceUnavailable() | google.DeadlineExceeded() | google.GatewayTimeout():
            return _unreachable(call, env, words)
    return CloudError(f"{call}: {words}", hint=_check(env))


def _unreachable(call: str, env: Environment, words: str) -> Unreachable:
    hint = "emonk-ops sandbox status" if env.target is Target.SANDBOX else _check(env)
    return Unreachable(f"{call}: no answer: {words}", hint=hint)


def _check(env: Environment) -> str:
    return f"emonk-ops config check --env {env.name}"

"""Google ID tokens for the service: the operator's own, and the tick invoker's."""

from __future__ import annotations

from functools import partial
from typing import Any, Protocol

import httpx

from emonk_ops.errors import CredentialsMissing, Unreachable
from emonk_ops.gcp.endpoints import credentials, sandbox_address
from emonk_ops.gcp.faults import translated
from emonk_ops.settings import Environment, Target

SANDBOX_OPERATOR = "operator@example.com"
SECONDS = 8.0


class IdTokens(Protocol):
    """`token` raises CredentialsMissing, PermissionMissing or Unreachable."""

    def operator(self, audience: str) -> str: ...

    def invoker(self, audience: str) -> str: ...


def id_tokens(env: Environment) -> IdTokens:
    return SandboxIdTokens(env) if env.target is Target.SANDBOX else GoogleIdTokens(env)


class SandboxIdTokens:
    """Signed by the sandbox's identity provider, whose keys are made when it starts."""

    def __init__(self, env: Environment) -> None:
        self._url = f"{sandbox_address(env).http}/sandbox/token"
        self._env = env

    def operator(self, audience: str) -> str:
        return self._token(self._env.impersonate or SANDBOX_OPERATOR, audience)

    def invoker(self, audience: str) -> str:
        return self._token(self._env.tick_invoker, audience)

    def _token(self, email: str, audience: str) -> str:
        try:
            answer = httpx.post(
                self._url,
                json={"email": email, "audience": audience},
                timeout=SECONDS,
                trust_env=False,
            )
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(
                f"the sandbox at {self._url} gave no token: {error}",
                hint="emonk-ops sandbox up --detach",
            ) from error
        return str(answer.json()["token"])


class GoogleIdTokens:
    """From application default credentials, or by impersonation of a service account."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def operator(self, audience: str) -> str:
        if self._env.impersonate:
            return self._impersonated(self._env.impersonate, audience)
        import google.auth.exceptions
        from google.oauth2 import id_token

        fetch: Any = id_token.fetch_id_token
        try:
            return str(fetch(token_request(), audience))
        except google.auth.exceptions.GoogleAuthError as error:
            raise CredentialsMissing(
                f"these credentials cannot make an ID token: {error}",
                hint="emonk-ops … --impersonate-service-account OPERATOR@PROJECT"
                ".iam.gserviceaccount.com",
            ) from error

    def invoker(self, audience: str) -> str:
        return self._impersonated(self._env.tick_invoker, audience)

    def _impersonated(self, account: str, audience: str) -> str:
        from google.auth import impersonated_credentials

        build: Any = impersonated_credentials
        source = build.Credentials(
            source_credentials=credentials(_without_impersonation(self._env)),
            target_principal=account,
            target_scopes=["openid", "email"],
        )
        token = build.IDTokenCredentials(source, target_audience=audience, include_email=True)
        with translated(
            "iamcredentials.generateIdToken",
            self._env,
            permission="iam.serviceAccounts.getOpenIdToken",
        ):
            token.refresh(token_request())
        return str(token.token)


def token_request() -> Any:
    """Google's transport with our timeout: its own is two minutes a call."""
    from google.auth.transport.requests import Request

    send: Any = Request()
    return partial(send, timeout=SECONDS)


def _without_impersonation(env: Environment) -> Environment:
    from dataclasses import replace

    return replace(env, impersonate="")

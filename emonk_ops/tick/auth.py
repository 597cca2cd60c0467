"""Who calls: signed tokens of Google, or of whoever `OIDC_CERTS_URL` names on loopback.

Signature, times, issuer, audience, e-mail and `email_verified` are all checked. Certificates are
kept for their max-age, and fetched early, though not often, when a token names an unknown key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from emonk_ops.tick.clock import real_seconds
from emonk_ops.tick.errors import TickError

GOOGLE_CERTS_URL = "https://www.googleapis.com/oauth2/v1/certs"
CHAT_ACCOUNT = "chat@system.gserviceaccount.com"
CHAT_CERTS_URL = f"https://www.googleapis.com/service_accounts/v1/metadata/x509/{CHAT_ACCOUNT}"
GOOGLE_ISSUERS = frozenset({"https://accounts.google.com", "accounts.google.com"})
FETCH_TIMEOUT_SECONDS = 5.0
SHORTEST_AGE_SECONDS = 10.0
DEFAULT_AGE_SECONDS = 300.0
CLOCK_SKEW_SECONDS = 10


class Unauthorized(TickError):
    """The caller did not prove who it is."""

    code = "unauthorized"


@dataclass(frozen=True, slots=True)
class _Held:
    certs: Mapping[str, str]
    fetched_at: float
    max_age: float


class Certificates:
    """Signing certificates of one address, `{key id: PEM}`, cached by their max-age."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._held: _Held | None = None
        self._fetching = asyncio.Lock()

    async def for_key(self, key_id: str) -> Mapping[str, str]:
        """The certificates, fresh ones if `key_id` is not among them. Raises Unauthorized."""
        async with self._fetching:
            held = self._held
            age = None if held is None else real_seconds() - held.fetched_at
            if (
                held is None
                or age is None
                or age >= held.max_age
                or (key_id not in held.certs and age >= SHORTEST_AGE_SECONDS)
            ):
                held = self._held = await self._fetch()
            return held.certs

    async def _fetch(self) -> _Held:
        import httpx

        try:
            async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_SECONDS) as client:
                answer = await client.get(self._url)
            answer.raise_for_status()
            certs = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unauthorized(
                f"the signing certificates could not be fetched from {self._url}: {error}.",
                code="certificates",
            ) from error
        if not isinstance(certs, dict):
            raise Unauthorized(f"{self._url} holds no certificates.", code="certificates")
        found = re.search(r"max-age=(\d+)", answer.headers.get("cache-control", ""))
        max_age = float(found[1]) if found else DEFAULT_AGE_SECONDS
        return _Held(certs, real_seconds(), max(max_age, SHORTEST_AGE_SECONDS))


class TokenVerifier:
    """Verifies bearer tokens; one for the life of the service, for the sake of its cache."""

    def __init__(self, certs_url: str = "") -> None:
        self._google = Certificates(certs_url or GOOGLE_CERTS_URL)
        self._chat = Certificates(certs_url or CHAT_CERTS_URL)

    async def identity(
        self, authorization: str | None, *, audience: str, emails: Collection[str]
    ) -> str:
        """The e-mail of a Google ID token for `audience`. Raises Unauthorized saying why not."""
        claims = await self._claims(authorization, audience, self._google, GOOGLE_ISSUERS)
        email = str(claims.get("email", "")).lower()
        if not email or claims.get("email_verified") is not True:
            raise Unauthorized("the token has no verified e-mail.")
        if email not in emails:
            raise Unauthorized(f"'{email}' is not one of those who may call this.")
        return email

    async def chat(self, authorization: str | None, *, audience: str) -> None:
        """Accept Google Chat's token in either of its forms. Raises Unauthorized."""
        if _peek(_bearer(authorization)).get("iss") == CHAT_ACCOUNT:
            await self._claims(authorization, audience, self._chat, frozenset({CHAT_ACCOUNT}))
        else:
            await self.identity(authorization, audience=audience, emails={CHAT_ACCOUNT})

    async def _claims(
        self,
        authorization: str | None,
        audience: str,
        certificates: Certificates,
        issuers: frozenset[str],
    ) -> Mapping[str, Any]:
        from google.auth import exceptions, jwt

        token = _bearer(authorization)
        key_id = str(_header(token).get("kid", ""))
        certs = await certificates.for_key(key_id)
        if key_id not in certs:
            raise Unauthorized("the token is signed with an unknown key.")
        try:
            claims: Mapping[str, Any] = jwt.decode(  # type: ignore[no-untyped-call]
                token,
                certs={key_id: certs[key_id]},
                audience=audience,
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except (ValueError, exceptions.GoogleAuthError) as error:
            raise Unauthorized(f"the token is not valid: {error}.") from error
        if claims.get("iss") not in issuers:
            raise Unauthorized(f"the token's issuer '{claims.get('iss')}' is not Google.")
        return claims


def _bearer(authorization: str | None) -> str:
    kind, _, token = (authorization or "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Unauthorized("a bearer token is needed in the Authorization header.")
    return token.strip()


def _header(token: str) -> Mapping[str, Any]:
    from google.auth import exceptions, jwt

    try:
        header: Mapping[str, Any] = jwt.decode_header(token)  # type: ignore[no-untyped-call]
    except (ValueError, exceptions.GoogleAuthError) as error:
        raise Unauthorized("the bearer token is no signed token.") from error
    return header


def _peek(token: str) -> Mapping[str, Any]:
    """The claims before anything is verified: only to choose whose certificates to ask for."""
    from google.auth import exceptions, jwt

    try:
        claims: Mapping[str, Any] = jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
    except (ValueError, exceptions.GoogleAuthError) as error:
        raise Unauthorized("the bearer token is no signed token.") from error
    return claims

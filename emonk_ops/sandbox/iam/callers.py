"""Who calls: service accounts and people, by an address of their own or by an access token."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from contextvars import ContextVar

from emonk_ops.sandbox.iam.errors import unauthenticated
from emonk_ops.sandbox.store import Store

KIND = "iam.token"
PREFIX = "sandbox."
# What Google's Firestore clients send to an emulator: whoever says so is nobody in particular.
EMULATOR_OWNER = "owner"

current_caller: ContextVar[str] = ContextVar("current_caller", default="")


class Callers:
    """Access tokens of the sandbox, kept across `down` and `up`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def token(self, email: str) -> str:
        """A new access token of the account."""
        token = PREFIX + secrets.token_hex(24)
        self._store.put(KIND, token, email.encode())
        return token

    def caller(self, authorization: str, door: str = "") -> str:
        """The caller's e-mail; "" for one without identity, whom nothing is asked of.

        `door` is the account whose own address was called. Raises Refusal for a token that the
        sandbox did not give out.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token in ("", EMULATOR_OWNER):
            return door
        if not token.startswith(PREFIX):
            return door  # a client's own credentials, which mean nothing here
        email = self._store.get(KIND, token)
        if email is None:
            raise unauthenticated()
        return email.decode()


def authorization_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """The authorization header of a call, "" where there is none."""
    for key, value in metadata or ():
        if key == "authorization":
            return value.decode() if isinstance(value, bytes) else value
    return ""

"""The sandbox's clock, read and waited on over HTTP. Waiting is what lets a virtual clock jump."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx

from emonk_ops.errors import Unreachable

READ_SECONDS = 5.0
# Real seconds that one wait may take; on a virtual clock hours pass in far less.
WAIT_SLICE_SECONDS = 30.0


class SandboxClock:
    """See `emonk_ops.clock.Clock`; `http` is the sandbox's HTTP address."""

    def __init__(self, http: str) -> None:
        self._clock = f"{http}/sandbox/clock"
        self._client = httpx.Client(timeout=READ_SECONDS, trust_env=False)

    def close(self) -> None:
        self._client.close()

    def now(self) -> datetime:
        try:
            answer = self._client.get(self._clock)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise _down(self._clock, error) from error
        return _now(answer.json())

    def sleep_until(self, when: datetime) -> None:
        """In slices: a slice that times out says nothing about the clock, so it is asked again."""
        while self.now() < when:
            try:
                answer = self._client.post(
                    f"{self._clock}/wait",
                    json={"until": when.isoformat()},
                    timeout=httpx.Timeout(WAIT_SLICE_SECONDS, connect=READ_SECONDS),
                )
                answer.raise_for_status()
            except httpx.ReadTimeout:
                continue
            except httpx.HTTPError as error:
                raise _down(self._clock, error) from error


def _now(state: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(state["now"]))


def _down(address: str, error: Exception) -> Unreachable:
    return Unreachable(
        f"the sandbox's clock at {address} does not answer: {error}",
        hint="emonk-ops sandbox up --detach",
    )

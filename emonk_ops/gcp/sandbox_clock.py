"""The sandbox's clock, read and waited on over HTTP. Waiting is what lets a virtual clock jump."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from emonk_ops.errors import Unreachable
from emonk_ops.gcp.plain_http import exchange

READ_SECONDS = 5.0
OK = 200
# Real seconds that one wait may take; on a virtual clock hours pass in far less.
WAIT_SLICE_SECONDS = 30.0


class SandboxClock:
    """See `emonk_ops.clock.Clock`; `http` is the sandbox's HTTP address."""

    def __init__(self, http: str) -> None:
        self._clock = f"{http}/sandbox/clock"

    def now(self) -> datetime:
        try:
            status, body = exchange("GET", self._clock, seconds=READ_SECONDS)
        except OSError as error:
            raise _down(self._clock, error) from error
        if status != OK:
            raise _down(self._clock, f"HTTP {status}")
        return _now(json.loads(body))

    def sleep_until(self, when: datetime) -> None:
        """In slices: a slice that times out says nothing about the clock, so it is asked again."""
        wanted = json.dumps({"until": when.isoformat()}).encode()
        while self.now() < when:
            try:
                status, _ = exchange(
                    "POST", f"{self._clock}/wait", wanted, seconds=WAIT_SLICE_SECONDS
                )
            except TimeoutError:
                continue
            except OSError as error:
                raise _down(self._clock, error) from error
            if status != OK:
                raise _down(self._clock, f"HTTP {status}")


def _now(state: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(str(state["now"]))


def _down(address: str, error: OSError | str) -> Unreachable:
    return Unreachable(
        f"the sandbox's clock at {address} does not answer: {error}",
        hint="emonk-ops sandbox up --detach",
    )

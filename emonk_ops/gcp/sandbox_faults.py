"""Faults of the sandbox's Firestore, over the sandbox's own HTTP face."""

from __future__ import annotations

from typing import Any

import httpx

from emonk_ops.errors import NotOffered, Unreachable
from emonk_ops.gcp.endpoints import sandbox_address
from emonk_ops.settings import Environment, Target

CALL_SECONDS = 5.0


class SandboxFaults:
    """See `emonk_ops.monitoring_ports.StorageFaults`."""

    def __init__(self, env: Environment) -> None:
        self._env = env

    def begin(self, method: str, code: str, *, account: str, seconds: float) -> str:
        content = {"method": method, "code": code, "identity": account, "seconds": seconds}
        return str(self._post("faults", content).json()["id"])

    def end(self, fault: str) -> None:
        self._post("faults/clear", {"ids": [fault]}, gone_is_fine=True)

    def _post(
        self, action: str, content: dict[str, Any], *, gone_is_fine: bool = False
    ) -> httpx.Response:
        if self._env.target is not Target.SANDBOX:
            raise NotOffered(
                f"Firestore of {self._env.project} cannot be told to fail; only the sandbox's can"
            )
        url = f"{sandbox_address(self._env).http}/sandbox/{action}"
        try:
            answer = httpx.post(url, json=content, timeout=CALL_SECONDS, trust_env=False)
            if not (gone_is_fine and answer.status_code == httpx.codes.NOT_FOUND):
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise Unreachable(f"{url}: {error}", hint="emonk-ops sandbox status") from error
        return answer

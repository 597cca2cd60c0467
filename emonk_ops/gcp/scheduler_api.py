"""Cloud Scheduler's REST API (v1): importing its client takes longer than pausing a job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from emonk_ops.clock import Stopwatch, SystemClock, sleep
from emonk_ops.errors import Unreachable
from emonk_ops.gcp.calls import READ_ATTEMPT_SECONDS, READ_TOTAL_SECONDS, WRITE_SECONDS
from emonk_ops.gcp.endpoints import credentials, sandbox_address
from emonk_ops.gcp.faults import by_status, translated, unreachable
from emonk_ops.gcp.plain_http import exchange
from emonk_ops.settings import Environment, Target

ADDRESS = "https://cloudscheduler.googleapis.com"
AGAIN_AFTER_SECONDS = 0.2
# Of an answer that is no JSON: google/rpc/code.proto names the HTTP mapping.
STATUS_OF = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class SchedulerApi:
    """`call` is the permission that a request needs, e.g. "cloudscheduler.jobs.pause"."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        sandbox = env.target is Target.SANDBOX
        self._address = sandbox_address(env).http if sandbox else ADDRESS

    def read(self, call: str, path: str, **query: str) -> dict[str, Any]:
        """Asked again while it does not answer, for READ_TOTAL_SECONDS. Raises CloudError."""
        stopwatch, asked = Stopwatch(), _asked(path, query)
        while True:
            try:
                return self._send(call, "GET", asked, None, READ_ATTEMPT_SECONDS)
            except Unreachable:
                if stopwatch.seconds + AGAIN_AFTER_SECONDS > READ_TOTAL_SECONDS:
                    raise
                sleep(SystemClock(), AGAIN_AFTER_SECONDS)

    def write(
        self,
        call: str,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        **query: str,
    ) -> dict[str, Any]:
        """Sent once: what was not answered may have been done. Raises CloudError."""
        return self._send(call, method, _asked(path, query), content or {}, WRITE_SECONDS)

    def _send(
        self, call: str, method: str, path: str, content: Mapping[str, Any] | None, seconds: float
    ) -> dict[str, Any]:
        url = f"{self._address}/v1/{path}"
        body = None if content is None or method == "DELETE" else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", **self._identity(call, method, url)}
        real = self._env.target is not Target.SANDBOX
        try:
            status, blob = exchange(
                method, url, body, headers=headers, seconds=seconds, proxies=real
            )
        except OSError as error:
            raise unreachable(call, self._env, str(error) or type(error).__name__) from error
        found = _object(blob)
        if status < 300:
            return found
        told = found.get("error")
        said = told if isinstance(told, dict) else {}
        name = str(said.get("status") or STATUS_OF.get(status, f"HTTP {status}"))
        words = str(said.get("message") or blob[:200].decode(errors="replace") or name)
        raise by_status(call, self._env, name, words)

    def _identity(self, call: str, method: str, url: str) -> dict[str, str]:
        """The caller's token; the sandbox knows who asks without one."""
        if self._env.target is Target.SANDBOX:
            token = self._env.sandbox_token
            return {"Authorization": f"Bearer {token}"} if token else {}
        headers: dict[str, str] = {}
        from emonk_ops.gcp.id_tokens import token_request

        with translated(call, self._env):
            self._credentials.before_request(token_request(), method, url, headers)
        return headers

    @cached_property
    def _credentials(self) -> Any:
        return credentials(self._env)


def _asked(path: str, query: Mapping[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def _object(blob: bytes) -> dict[str, Any]:
    try:
        found = json.loads(blob or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

"""One attempt at an HTTP target: the request as Cloud Scheduler sends it, and what came of it."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from google.cloud.scheduler_v1 import types

from emonk_ops.sandbox.clock import Hold, WorldClock
from emonk_ops.sandbox.oidc import Issuer
from emonk_ops.sandbox.scheduler.outcomes import Outcome, answered, timed_out, unreachable
from emonk_ops.sandbox.scheduler.validation import name_parts
from emonk_ops.sandbox.world import HOLD_HEADER

MAX_REDIRECTS = 5
_RESERVED = ("host", "content-length", "x-google-", "x-appengine-", "x-cloudscheduler")
CONNECT_SECONDS = 10.0
_REAL_GRACE_SECONDS = 60.0  # the deadline is the world's; this bounds the socket in real time


@dataclass(frozen=True)
class Attempts:
    """What an attempt needs of the world."""

    clock: WorldClock
    oidc: Issuer
    http: httpx.AsyncClient

    async def attempt(self, job: Any, slot: datetime, hold: Hold) -> Outcome:
        """Call the target of a raw Job once, until it answers or the world's deadline passes.

        `hold` keeps the clock running; it is lent to the request by its header.
        """
        deadline = job.attempt_deadline.seconds + job.attempt_deadline.nanos / 1e9
        ends = self.clock.now() + timedelta(seconds=deadline)
        timer = asyncio.ensure_future(self.clock.sleep_until(ends))
        call = asyncio.ensure_future(self._call(job, slot, hold, deadline))
        try:
            await asyncio.wait({timer, call}, return_when=asyncio.FIRST_COMPLETED)
            return call.result() if call.done() else timed_out(deadline)
        finally:
            for task in (timer, call):
                task.cancel()
            await asyncio.gather(timer, call, return_exceptions=True)

    async def _call(self, job: Any, slot: datetime, hold: Hold, deadline: float) -> Outcome:
        target = job.http_target
        method, uri = types.HttpMethod(target.http_method).name, target.uri
        content: bytes | None = target.body or None
        for _ in range(MAX_REDIRECTS + 1):
            if not _is_loopback(uri):
                return unreachable(
                    f"The sandbox calls loopback addresses only; {urlsplit(uri).hostname} was"
                    " not called"
                )
            try:
                response = await self.http.request(
                    method,
                    uri,
                    headers=self._headers(job, slot, hold),
                    content=content,
                    follow_redirects=False,
                    timeout=httpx.Timeout(deadline + _REAL_GRACE_SECONDS, connect=CONNECT_SECONDS),
                )
            except httpx.TimeoutException:
                return timed_out(deadline)
            except (httpx.HTTPError, httpx.InvalidURL) as exc:
                return unreachable(f"{type(exc).__name__}: {exc}")
            if not response.has_redirect_location:
                return answered(response.status_code)
            uri = urljoin(uri, response.headers["location"])
            if response.status_code in (301, 302, 303):
                method, content = "GET", None
        return unreachable(f"More than {MAX_REDIRECTS} redirects")

    def _headers(self, job: Any, slot: datetime, hold: Hold) -> dict[str, str]:
        """The job's own headers, and those that Cloud Scheduler sets whatever the job says."""
        target = job.http_target
        headers = {
            key.lower(): value
            for key, value in target.headers.items()
            if not key.lower().startswith(_RESERVED)
        }
        if target.body:
            headers.setdefault("content-type", "application/octet-stream")
        headers |= {
            "user-agent": "Google-Cloud-Scheduler",
            "connection": "close",  # a target that dropped an idle connection is not unreachable
            "x-cloudscheduler": "true",
            "x-cloudscheduler-jobname": name_parts(job.name)[2],
            "x-cloudscheduler-scheduletime": slot.isoformat().replace("+00:00", "Z"),
            HOLD_HEADER: hold.token,
        }
        if target.HasField("oidc_token"):
            token = target.oidc_token
            audience = token.audience or target.uri
            signed = self.oidc.token(token.service_account_email, audience)
            headers["authorization"] = f"Bearer {signed}"
        return headers


def _is_loopback(uri: str) -> bool:
    host = urlsplit(uri).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""The handlers that come with the service: `log`, `http` and `emonk_canary`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from emonk_ops.tick import logs
from emonk_ops.tick.errors import InvalidJob
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry

HTTP_TIMEOUT_SECONDS = 30.0
# Only the canary of a failure injection may end its instance: chat cannot choose a job's id.
INJECTED = "emonk-inject-"
EXIT_CODE = 70
STOCK = HandlerRegistry()


class UnexpectedStatus(Exception):
    """A URL answered with something other than success."""


@STOCK.handler("log")
async def write_log(context: HandlerContext) -> Mapping[str, Any] | None:
    """Write the payload's `message`, its other fields beside it."""
    fields = {key: value for key, value in context.payload.items() if key != "message"}
    context.log.info(str(context.payload.get("message", "Job log")), payload=fields)
    return None


@STOCK.handler("http")
async def call_url(context: HandlerContext) -> Mapping[str, Any] | None:
    """POST the payload's `body` as JSON to its `url`, the idempotency key in a header.

    Any answer but 2xx fails the attempt. The time limit is real: `timeout_seconds`, or 30.
    """
    import httpx

    url = context.payload.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise InvalidJob(f"job {context.job_id}: url={url!r} is not an http address.")
    headers = {
        **context.payload.get("headers", {}),
        "Idempotency-Key": context.idempotency_key,
        "X-Emonk-Fence": str(context.fence),
    }
    timeout = float(context.payload.get("timeout_seconds", HTTP_TIMEOUT_SECONDS))
    async with httpx.AsyncClient(timeout=timeout) as client:
        answer = await client.post(url, json=context.payload.get("body"), headers=headers)
    if not answer.is_success:
        raise UnexpectedStatus(f"{url} answered {answer.status_code}")
    return {"status": answer.status_code}


@STOCK.handler("emonk_canary")
async def canary(context: HandlerContext) -> Mapping[str, Any] | None:
    """Take `duration_seconds` of the clock, then leave one effect: a log line with the key.

    With `exit_on_attempt`, that attempt ends the whole process instead, as a crash would.
    """
    duration = float(context.payload.get("duration_seconds", 0))
    run_id = str(context.payload.get("run_id", ""))
    if duration > 0:
        await context.clock.sleep_until(context.clock.now() + timedelta(seconds=duration))
    if context.job_id.startswith(INJECTED) and context.attempt == context.payload.get(
        "exit_on_attempt"
    ):
        context.log.warning(logs.FAIL_POINT, run_id=run_id)
        os._exit(EXIT_CODE)
    context.log.info(logs.CANARY_EFFECT, run_id=run_id, duration_seconds=duration)
    return {"run_id": run_id, "effect": context.idempotency_key}

"""The gate before every method of every API, on both wires: who calls, may they, does it fail?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from emonk_ops.sandbox.clock import WorldClock
from emonk_ops.sandbox.faults.rules import Faults, Rule, status_of
from emonk_ops.sandbox.iam.errors import Refusal
from emonk_ops.sandbox.iam.guard import Guard

LABEL = "fault: latency"


class Gate:
    """Raises Refusal where a call ends here. `door` is the account whose address was called."""

    def __init__(self, guard: Guard, faults: Faults, clock: WorldClock) -> None:
        self._guard = guard
        self._faults = faults
        self._clock = clock

    async def unary(
        self,
        method: str,
        request: Any,
        authorization: str,
        door: str,
        inner: Callable[[], Awaitable[Any]],
    ) -> Any:
        """The answer of `inner`, the method itself, unless it is kept back or lost."""
        rule = await self._enter(method, request, authorization, door)
        answer = await inner()
        _lose(rule)
        return answer

    async def stream(
        self,
        method: str,
        request: Any,
        authorization: str,
        door: str,
        inner: Callable[[], AsyncIterator[Any]],
    ) -> AsyncIterator[Any]:
        """As `unary`, for a method that answers a stream; a lost one is cut before its first."""
        rule = await self._enter(method, request, authorization, door)
        async for answer in inner():
            _lose(rule)
            yield answer
        _lose(rule)

    async def requests(
        self, method: str, requests: AsyncIterator[Any], authorization: str, door: str
    ) -> AsyncIterator[Any]:
        """The requests of a stream, the first of which has to come through."""
        entered = False
        async for request in requests:
            if not entered:
                _lose(await self._enter(method, request, authorization, door))
                entered = True
            yield request

    async def _enter(self, method: str, request: Any, authorization: str, door: str) -> Rule | None:
        email = self._guard.caller(authorization, door)
        rule = self._faults.pick(method, email)
        if rule is not None and rule.latency:
            with self._busy():
                await asyncio.sleep(rule.latency)
        if rule is not None and rule.code and not rule.lost:
            raise _refusal(rule)
        self._guard.admit(method, request, email)
        return rule

    @contextmanager
    def _busy(self) -> Iterator[None]:
        # Virtual time must not jump over a call that is only slow.
        self._clock.add_activity(LABEL, 1)
        try:
            yield
        finally:
            self._clock.add_activity(LABEL, -1)


def _lose(rule: Rule | None) -> None:
    if rule is not None and rule.code and rule.lost:
        raise _refusal(rule)


def _refusal(rule: Rule) -> Refusal:
    told = rule.message or f"fault {rule.id} of the sandbox"
    return Refusal(status_of(rule), told)

"""The handlers that simulated jobs run: quick, slow, failing, deadly, deaf and careful ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from tests.simulation.world import MICRO

if TYPE_CHECKING:
    from tests.simulation.instance import Instance


DECLARED = "declared"
CALM_SECONDS = 2.0
SHORT_SECONDS = 2.0


class Flaky(Exception):
    """A handler that fails on purpose."""


def registry_of(instance: Instance, *, novel: bool) -> HandlerRegistry:
    """What this instance can run; not every revision knows the novel type."""
    chosen = HandlerRegistry()
    acts = Acts(instance)
    for name in ("note", "slow", "flaky", "poison", "stubborn", "ledger", "busy"):
        chosen.handler(name)(getattr(acts, name))
    if novel:
        chosen.handler("novel")(acts.note)
    chosen.declare(
        DECLARED, type="note", schedule={"every": 40}, max_attempts=2, backoff_seconds=1.0
    )
    return chosen


class Acts:
    """Each handler says that it began, does its worst, and names its run in its result."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._world = instance.world

    async def note(self, context: HandlerContext) -> Mapping[str, Any]:
        return self._begin(context)

    async def slow(self, context: HandlerContext) -> Mapping[str, Any]:
        begun = self._begin(context)
        await self._sleep(context, self._world.rng.random() * context.payload["seconds"])
        return begun

    async def flaky(self, context: HandlerContext) -> Mapping[str, Any]:
        begun = self._begin(context)
        await self._sleep(context, self._world.rng.random() * SHORT_SECONDS)
        if self._world.rng.random() < 0.5:
            raise Flaky("no luck")
        return begun

    async def poison(self, context: HandlerContext) -> Mapping[str, Any]:
        begun = self._begin(context)
        self._instance.die("poison")
        await self._sleep(context, 3600)
        return begun

    async def stubborn(self, context: HandlerContext) -> Mapping[str, Any]:
        begun = self._begin(context)
        for _ in range(2):
            try:
                await self._sleep(context, context.payload["seconds"])
            except asyncio.CancelledError:
                continue
        return begun

    async def ledger(self, context: HandlerContext) -> Mapping[str, Any]:
        begun = self._begin(context)
        self._instance.history.asked_once(context)
        granted = await context.once("effect")
        self._instance.history.answered_once(context, granted)
        await self._sleep(context, self._world.rng.random() * SHORT_SECONDS)
        if self._world.rng.random() < 0.4:
            raise Flaky("after the effect")
        return begun

    async def busy(self, context: HandlerContext) -> Mapping[str, Any]:
        """A blocking call: nothing else of the instance runs meanwhile."""
        begun = self._begin(context)
        most = CALM_SECONDS if self._instance.calm else context.payload["seconds"]
        seconds = self._world.rng.random() * most
        self._instance.loop.freeze(int(seconds * MICRO))
        await self._instance.loop.sleep(0)
        return begun

    def _begin(self, context: HandlerContext) -> Mapping[str, Any]:
        instance = self._instance
        number = instance.history.began(
            instance.name, context, instance.server.now(), instance.loop.freezes
        )
        return {"run": number}

    async def _sleep(self, context: HandlerContext, seconds: float) -> None:
        await context.clock.sleep_until(context.clock.now() + timedelta(seconds=seconds))

"""Incidents: what alert policies opened, and when they closed. Evaluated every minute."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from emonk_ops.sandbox.monitoring.conditions import Conditions
from emonk_ops.sandbox.monitoring.errors import Refusal
from emonk_ops.sandbox.monitoring.state import Kept
from emonk_ops.sandbox.world import World

KIND = "monitoring.incident"
EVERY = timedelta(seconds=60)
AUTO_CLOSE = timedelta(days=7)  # monitoring/alerts: what an incident does that sees no more data


class Incidents:
    """Follows the enabled policies of all projects on the world's clock."""

    def __init__(self, world: World, policies: Kept, conditions: Conditions) -> None:
        self._world = world
        self._policies = policies
        self._conditions = conditions
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._last: dict[str, datetime] = {}

    def start(self) -> None:
        self._task = self._world.spawn(self._follow(), "monitoring: alert policies")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def policies_changed(self) -> None:
        """A first policy begins the evaluation: none, and no timer of the world is set."""
        self._changed.set()

    def all(self, project: str = "") -> Iterator[dict[str, Any]]:
        """Incidents, oldest first; of one project, or of all."""
        for _, raw in self._world.store.list(KIND, f"{project}/" if project else ""):
            yield json.loads(raw)

    async def _follow(self) -> None:
        clock = self._world.clock
        while True:
            if not any(self._enabled()):
                self._changed.clear()
                await self._changed.wait()
                continue
            await clock.sleep_until(clock.now() + EVERY)
            with clock.busy("monitoring: alert policies"):
                for policy in list(self._enabled()):
                    self._evaluate(policy, clock.now())
                    await asyncio.sleep(0)

    def _enabled(self) -> Iterator[Any]:
        return (one for one in self._policies.all() if one.enabled.value)

    def _evaluate(self, policy: Any, now: datetime) -> None:
        project = policy.name.split("/")[1]
        last = self._last.get(policy.name, now - EVERY)
        self._last[policy.name] = now
        answers = []
        for condition in policy.conditions:
            try:
                answers.append(self._conditions.evaluate(project, condition, now, last))
            except Refusal:
                continue  # a metric's filter that was changed into nonsense breaks no other policy
        met = [one.met for one in answers]
        together = all(met) if policy.combiner in (1, 3) else any(met)
        opened = self._open(policy.name)
        if together and met and opened is None:
            told = "; ".join(one.told for one in answers if one.met)
            self._begin(project, policy, now, told)
        elif opened is not None and self._over(policy, opened, met, now):
            self._put({**opened, "state": "CLOSED", "close_time": now.isoformat()})

    def _over(
        self, policy: Any, opened: dict[str, Any], met: list[bool | None], now: datetime
    ) -> bool:
        if any(met):
            self._put({**opened, "seen_time": now.isoformat()})
            return False
        if any(one is False for one in met):
            return True
        wait = policy.alert_strategy.auto_close.seconds
        longest = timedelta(seconds=wait) if wait else AUTO_CLOSE
        return now - datetime.fromisoformat(opened["seen_time"]) >= longest

    def _open(self, policy: str) -> dict[str, Any] | None:
        project = policy.split("/")[1]
        for one in self.all(project):
            if one["policy"] == policy and one["state"] == "OPEN":
                return one
        return None

    def _begin(self, project: str, policy: Any, now: datetime, told: str) -> None:
        self._put(
            {
                "name": f"projects/{project}/alerts/{now:%Y%m%d%H%M%S%f}{len(policy.name)}",
                "policy": policy.name,
                "display_name": policy.display_name,
                "state": "OPEN",
                "open_time": now.isoformat(),
                "seen_time": now.isoformat(),
                "close_time": None,
                "summary": told,
                "notification_channels": list(policy.notification_channels),
            }
        )

    def _put(self, incident: dict[str, Any]) -> None:
        project, policy = incident["name"].split("/")[1], incident["policy"].rpartition("/")[2]
        name = f"{project}/{incident['open_time']}/{policy}"
        self._world.store.put(KIND, name, json.dumps(incident).encode())

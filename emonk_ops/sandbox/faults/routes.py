"""Faults have no API of Google's: they stand on the control plane and before every method."""

from __future__ import annotations

from typing import Any

import grpc

from emonk_ops.sandbox.control_requests import Action
from emonk_ops.sandbox.faults.control import FaultControl
from emonk_ops.sandbox.faults.rules import Faults
from emonk_ops.sandbox.world import World


class FaultsApi:
    """The faults of one world; they are gone with its process."""

    def __init__(self, world: World) -> None:
        self.faults = Faults(world.clock.now, world.rng)
        self._control = FaultControl(world, self.faults)

    def handlers(self) -> list[grpc.GenericRpcHandler[Any, Any]]:
        return []

    def actions(self) -> dict[tuple[str, str], Action]:
        """Control actions under /sandbox/."""
        return self._control.actions()

    async def start(self) -> None:
        """Nothing runs beside."""

    async def stop(self) -> None:
        """A fault does not outlive its sandbox."""

    async def reset(self) -> None:
        """Every call goes well again."""
        self.faults.remove([rule.id for rule in self.faults.rules])


def register(world: World) -> FaultsApi:
    """The faults of a world."""
    return FaultsApi(world)

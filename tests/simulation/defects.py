"""Planted defects: each breaks one thing that the promise rests on, and has to be found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emonk_ops.tick.engine import Limits

from tests.simulation.store import SimulatedServer, SimulatedStorage


def _as_they_are(limits: Limits) -> Limits:
    return limits


@dataclass(frozen=True)
class Defect:
    """A broken collaborator in the place of a sound one."""

    storage: type[SimulatedStorage] = SimulatedStorage
    server: type[SimulatedServer] = SimulatedServer
    limits: Callable[[Limits], Limits] = _as_they_are


SOUND = Defect()

"""Carrying jobs between stores in memory."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from emonk_ops.errors import NotFound, Refused
from emonk_ops.job_ports import Migration
from emonk_ops.testing.world import InMemoryWorld, Store


class InMemoryMigrations:
    """See `emonk_ops.job_ports.Migrations`. `places` are the stores besides the service's."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._world = world
        self.places: dict[str, Store] = {}
        self.drove: dict[str, tuple[str, int]] = {}  # by source, of what did not end

    def run(self, wanted: Migration) -> Mapping[str, Any]:
        source = self._store(wanted.source)
        target = self.places.setdefault(wanted.target, Store({}))
        if target.record is not None and target.record[0] != "nobody":
            if source.record is not None and source.record[0] == "nobody":
                return {**self._facts(wanted, target), "already": True}
            raise Refused(f"{wanted.target} is driven")
        driver, epoch = self.drove.setdefault(wanted.source, source.record or ("nobody", 0))
        with self._world.change("migrate"):
            source.record = ("nobody", epoch + 1)
            target.jobs = copy.deepcopy(source.jobs)
            target.record = (driver, epoch + 2)
            del self.drove[wanted.source]
        return {**self._facts(wanted, target), "already": False}

    def abandon(self, wanted: Migration) -> Mapping[str, Any]:
        if wanted.source not in self.drove:
            raise Refused("no migration between these two is unfinished")
        driver, epoch = self.drove.pop(wanted.source)
        self._store(wanted.source).record = (driver, epoch + 2)
        return {"source": wanted.source, "driver": driver, "epoch": epoch + 2}

    def _store(self, place: str) -> Store:
        if place == "service":
            self._world.record()
            return self._world.store
        if place not in self.places:
            raise NotFound(f"there is no store {place}")
        return self.places[place]

    def _facts(self, wanted: Migration, target: Store) -> dict[str, Any]:
        driver, epoch = target.record or ("nobody", 0)
        facts = {"source": wanted.source, "target": wanted.target, "count": len(target.jobs)}
        return {**facts, "driver": driver, "epoch": epoch}

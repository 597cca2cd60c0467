"""What runs: a front for each service, a pool for each revision that is wanted, a reaper."""

from __future__ import annotations

import asyncio
import contextlib
import shutil

from emonk_ops.sandbox.processes import Reaper, end_leftovers
from emonk_ops.sandbox.run.errors import RolloutFailed, never_listened
from emonk_ops.sandbox.run.front import ServiceFront
from emonk_ops.sandbox.run.instances import Instance, StartFailed, instance_directory
from emonk_ops.sandbox.run.invokers import Invokers
from emonk_ops.sandbox.run.messages import Revision, Service, TrafficTargetStatus, types
from emonk_ops.sandbox.run.names import ServiceName, parse_revision, parse_service
from emonk_ops.sandbox.run.pool import RevisionPool
from emonk_ops.sandbox.run.revisions import spec_of
from emonk_ops.sandbox.run.state import RunState
from emonk_ops.sandbox.run.traffic import resolve
from emonk_ops.sandbox.world import World


class Platform:
    """Turns services and revisions into processes and ports, and back."""

    def __init__(self, world: World, state: RunState) -> None:
        self._world = world
        self._state = state
        self._fronts: dict[str, ServiceFront] = {}
        self._pools: dict[str, RevisionPool] = {}
        self._reaper: Reaper | None = None

    def start(self) -> None:
        """End what a killed sandbox left behind, and be ready to run processes."""
        directory = instance_directory(self._world)
        end_leftovers(directory)
        shutil.rmtree(directory, ignore_errors=True)
        self._reaper = Reaper()

    async def front(self, name: ServiceName, tag: str = "") -> ServiceFront:
        """The front of a service, or of one of its tags, on the port of last time if free."""
        key = f"{name}#{tag}" if tag else str(name)
        if key not in self._fronts:
            front = ServiceFront(self._world, f"{tag}---{name.service}" if tag else name.service)
            kept = self._state.port(key)
            try:
                port = await front.listen(kept)
            except OSError:
                port = await front.listen()
            self._state.put_port(key, port)
            self._fronts[key] = front
        return self._fronts[key]

    def pool(self, revision: Revision) -> RevisionPool:
        """The pool of a revision; RolloutFailed when its image is not known here."""
        if revision.name not in self._pools:
            assert self._reaper is not None
            spec = spec_of(self._state, revision)
            self._pools[revision.name] = RevisionPool(self._world, spec, self._reaper)
        return self._pools[revision.name]

    async def bring_up(self, revision: Revision) -> None:
        """Return once an instance answers on its port; RolloutFailed when none does."""
        pool = self.pool(revision)
        try:
            await pool.ensure_ready()
        except StartFailed as problem:
            _, identity = parse_revision(revision.name)
            raise never_listened(identity, pool.spec.port) from problem

    async def route(self, service: Service) -> list[TrafficTargetStatus]:
        """Send requests by the service's traffic; returns its statuses. Revisions without any
        are drained and stopped.
        """
        name = parse_service(service.name)
        own = await self.front(name)
        statuses: list[TrafficTargetStatus] = []
        split: list[tuple[int, RevisionPool]] = []
        wanted: set[str] = set()
        for target, identity in resolve(service):
            revision = self._state.revision(name.revision(identity))
            if revision is None:
                continue
            pool = self.pool(revision)
            wanted.add(revision.name)
            split.append((target.percent, pool))
            status = types.TrafficTargetStatus(
                type_=target.type_, revision=target.revision, percent=target.percent, tag=target.tag
            )
            if target.tag:
                tagged = await self.front(name, target.tag)
                tagged.route([(100, pool)], Invokers(self._world, service, (own.url, tagged.url)))
                status.uri = tagged.url
            statuses.append(status)
        for revision_name in wanted:
            self._pools[revision_name].keep_minimum()
        own.route(split, Invokers(self._world, service, (own.url,)))
        await self._leave_tags(service)
        for revision_name, pool in self._of(name):
            if revision_name not in wanted:
                pool.retire()
        return statuses

    async def _leave_tags(self, service: Service) -> None:
        tags = {f"{service.name}#{target.tag}" for target in service.traffic if target.tag}
        for key in list(self._fronts):
            if key.startswith(f"{service.name}#") and key not in tags:
                await self._fronts.pop(key).close()

    def retire(self, revision: str) -> None:
        """Stop the instances of a revision that is not to serve."""
        if revision in self._pools:
            self._pools[revision].retire()

    def _of(self, name: ServiceName) -> list[tuple[str, RevisionPool]]:
        prefix = f"{name}/revisions/"
        return [(key, pool) for key, pool in self._pools.items() if key.startswith(prefix)]

    def instances(self) -> list[Instance]:
        """Every instance there is, whatever its state."""
        return [one for pool in self._pools.values() for one in pool.instances]

    async def remove_service(self, name: ServiceName) -> None:
        """Close the fronts of a service and stop all its instances."""
        for key in [key for key in self._fronts if key.partition("#")[0] == str(name)]:
            await self._fronts.pop(key).close()
        for key, pool in self._of(name):
            await pool.close()
            self._pools.pop(key, None)

    async def remove_revision(self, name: str) -> None:
        if (pool := self._pools.pop(name, None)) is not None:
            await pool.close()

    async def stop(self) -> None:
        """Stop everything: first no new requests, then the processes, then the reaper."""
        fronts, self._fronts = list(self._fronts.values()), {}
        await asyncio.gather(*(front.close() for front in fronts))
        pools, self._pools = list(self._pools.values()), {}
        await asyncio.gather(*(pool.close() for pool in pools))
        if self._reaper is not None:
            self._reaper.close()
            self._reaper = None

    async def prewarm(self, service: Service) -> None:
        """Wait until every revision with traffic has an instance; a failure is left to requests."""
        name = parse_service(service.name)
        for _, identity in resolve(service):
            revision = self._state.revision(name.revision(identity))
            if revision is not None and revision.scaling.min_instance_count:
                with contextlib.suppress(RolloutFailed):
                    await self.bring_up(revision)

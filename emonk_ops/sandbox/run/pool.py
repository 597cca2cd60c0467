"""The instances of one revision: between its minimum and maximum, by concurrency."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from emonk_ops.sandbox.processes import Reaper
from emonk_ops.sandbox.run.instances import Instance, InstanceState, StartFailed
from emonk_ops.sandbox.run.spec import RevisionSpec
from emonk_ops.sandbox.world import World

IDLE_LIFE = timedelta(minutes=15)  # how long an instance above the minimum may idle
LONGEST_QUEUE_SECONDS = 10.0  # real: how long a request waits for a place before 429
_BACKOFF_SECONDS = (0, 1, 2, 5, 10, 30, 60)


class NoInstance(Exception):
    """No instance could take the request. `status` is the platform's answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RevisionPool:
    """Starts, picks and stops instances. While `serving`, the minimum is kept alive."""

    def __init__(self, world: World, spec: RevisionSpec, reaper: Reaper) -> None:
        self.spec = spec
        self.instances: list[Instance] = []
        self.serving = False
        self._world = world
        self._reaper = reaper
        self._freed = asyncio.Event()
        self._failures = 0
        self._closed = False
        self._stopping: set[asyncio.Task[None]] = set()

    def _live(self) -> list[Instance]:
        wanted = (InstanceState.STARTING, InstanceState.READY)
        return [one for one in self.instances if one.state in wanted]

    def _ready(self) -> list[Instance]:
        return [one for one in self.instances if one.state is InstanceState.READY]

    # -- starting --------------------------------------------------------------------------

    async def ensure_ready(self) -> None:
        """Return with the minimum (at least one) instance ready; StartFailed when none can be."""
        wanted = max(1, self.spec.minimum)
        while len(self._ready()) < wanted:
            if len(self._live()) < wanted:
                await self._start_one()
            else:
                await self._change()

    async def _start_one(self) -> Instance:
        instance = Instance(self._world, self.spec, self._reaper, self._instance_ended)
        self.instances.append(instance)
        try:
            await instance.start()
        finally:
            self._freed.set()
        self._failures = 0
        if self._closed:
            await instance.stop()
        self._schedule_idle_check(instance)
        return instance

    async def _change(self) -> None:
        self._freed.clear()
        await self._freed.wait()

    def keep_minimum(self) -> None:
        """From now on the minimum is kept alive, with back-off when it will not stay up."""
        self.serving = True
        if len(self._live()) < self.spec.minimum:
            step = min(self._failures, len(_BACKOFF_SECONDS) - 1)
            work = self._refill(_BACKOFF_SECONDS[step])
            self._world.spawn(work, f"refill {self.spec.revision}")

    async def _refill(self, seconds: float) -> None:
        """Start what is missing after `seconds` of platform time."""
        now = self._world.clock.now()
        await self._world.clock.sleep_until(now + timedelta(seconds=seconds))
        if self.serving and not self._closed and len(self._live()) < self.spec.minimum:
            with contextlib.suppress(StartFailed):
                await self._start_one()

    def _instance_ended(self, instance: Instance) -> None:
        if instance in self.instances:
            self.instances.remove(instance)
        self._freed.set()
        if self.serving and not self._closed:
            self.keep_minimum()
            self._failures += 1

    # -- requests --------------------------------------------------------------------------

    async def acquire(self) -> Instance:
        """An instance with a free place, its request already counted. NoInstance after 10 s."""
        deadline = asyncio.get_running_loop().time() + LONGEST_QUEUE_SECONDS
        while True:
            open_ones = [one for one in self._ready() if one.in_flight < self.spec.concurrency]
            if open_ones:
                chosen = min(open_ones, key=lambda one: one.in_flight)
                chosen.begin_request()
                return chosen
            if len(self._live()) < self.spec.maximum:
                try:
                    await self._start_one()
                except StartFailed as problem:
                    raise NoInstance(503, "Service Unavailable") from problem
                continue
            left = deadline - asyncio.get_running_loop().time()
            try:
                await asyncio.wait_for(self._change(), max(0.0, left))
            except TimeoutError:
                raise NoInstance(429, "Rate exceeded.") from None

    def release(self, instance: Instance) -> None:
        instance.end_request()
        self._freed.set()
        self._schedule_idle_check(instance)
        if not self.serving:
            self._stop_if_drained(instance)

    # -- stopping --------------------------------------------------------------------------

    def retire(self) -> None:
        """The revision gets no more traffic: instances end as soon as they have drained."""
        self.serving = False
        for instance in list(self.instances):
            self._stop_if_drained(instance)

    def _stop_if_drained(self, instance: Instance) -> None:
        if instance.in_flight == 0 and instance.state is InstanceState.READY:
            self._stop(instance)

    def _stop(self, instance: Instance) -> None:
        task = self._world.spawn(instance.stop(), f"stop {self.spec.revision}")
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    def _schedule_idle_check(self, instance: Instance) -> None:
        if len(self._live()) > self.spec.minimum and instance.in_flight == 0:
            self._world.clock.call_at(
                self._world.clock.now() + IDLE_LIFE, lambda: self._end_if_idle(instance)
            )

    def _end_if_idle(self, instance: Instance) -> None:
        if instance.state is not InstanceState.READY or instance.in_flight:
            return
        idle = self._world.clock.now() - instance.idle_since
        if idle >= IDLE_LIFE and len(self._live()) > self.spec.minimum:
            self._stop(instance)

    async def close(self) -> None:
        """Stop every instance, in-flight requests or not; returns when all are gone."""
        self.serving = False
        self._closed = True
        await asyncio.gather(*(one.stop() for one in list(self.instances)))
        await asyncio.gather(*self._stopping, return_exceptions=True)

"""Virtual time, and event loops whose callbacks take turns in an order that a seed decides.

Each instance of the service has a loop of its own. Within a loop callbacks run first in, first
out, as asyncio promises; between loops, and between events of one instant, chance decides. So an
instance is stopped by not stepping its loop, and killed by forgetting what its loop had to do.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from asyncio.events import _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
MICRO = 1_000_000
MOST_STEPS = 60_000


class Endless(Exception):
    """Callbacks beget callbacks and time stands still."""


class World:
    """Time in whole microseconds since EPOCH, and what is to happen in it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0
        self.loops: list[InstanceLoop] = []
        self.trace: list[str] | None = None
        self._events: list[tuple[int, int, int, Callable[[], None]]] = []
        self._order = 0

    def time(self, offset: int = 0) -> datetime:
        """The instant that a clock shows which is `offset` microseconds ahead."""
        return EPOCH + timedelta(microseconds=self.now + offset)

    def after(self, microseconds: int, action: Callable[[], None]) -> None:
        """Have `action` happen that much later; of one instant's actions chance picks the first."""
        self._order += 1
        when = self.now + max(0, microseconds)
        heapq.heappush(self._events, (when, self.rng.getrandbits(16), self._order, action))

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """As `after`, in seconds."""
        self.after(int(seconds * MICRO), action)

    def say(self, text: str) -> None:
        """Add a line to the trace, if one is kept."""
        if self.trace is not None:
            self.trace.append(f"{self.now / MICRO:11.6f}  {text}")

    def run(self, until: int, ended: Callable[[], bool]) -> None:
        """Let everything happen up to `until`, or until `ended()`. Raises Endless."""
        steps = 0
        try:
            while not ended():
                if self._step():
                    steps += 1
                    if steps > MOST_STEPS:
                        raise Endless(f"{MOST_STEPS} callbacks up to {self.now / MICRO} s")
                    continue
                if not self._events or self._events[0][0] > until:
                    self.now = max(self.now, until)
                    return
                self.now, _, _, action = heapq.heappop(self._events)
                action()
        finally:
            _set_running_loop(None)

    def _step(self) -> bool:
        ready = [loop for loop in self.loops if loop.ready and not loop.frozen]
        if not ready:
            return False
        loop = ready[0] if len(ready) == 1 else ready[int(self.rng.random() * len(ready))]
        _set_running_loop(loop)
        callback, args, context = loop.ready.popleft()
        context.run(callback, *args)
        return True


class Timer:
    """What `call_later` gives back."""

    __slots__ = ("off",)

    def __init__(self) -> None:
        self.off = False

    def cancel(self) -> None:
        self.off = True

    def cancelled(self) -> bool:
        return self.off


class InstanceLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks and futures need; its time is the world's."""

    def __init__(self, world: World) -> None:
        self.ready: deque[tuple[Callable[..., Any], tuple[Any, ...], Context]] = deque()
        self.frozen = False
        self.dead = False
        self.freezes = 0
        self.frozen_until = -1
        self.tasks: list[asyncio.Task[Any]] = []
        self._world = world
        world.loops.append(self)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Any:
        if not self.dead:
            self.ready.append((callback, args, context or copy_context()))

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> Any:
        timer = Timer()

        def ring() -> None:
            if not timer.off:
                self.call_soon(callback, *args, context=context)

        self._world.later(delay, ring)
        return timer

    def time(self) -> float:
        return self._world.now / MICRO

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.dead

    def is_closed(self) -> bool:
        return self.dead

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name or "task")
        self.tasks.append(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Nothing: the exceptions of tasks are looked through when the loop ends."""

    def sleep(self, microseconds: int) -> asyncio.Future[None]:
        """A future that is done that much later."""
        future: asyncio.Future[None] = self.create_future()
        self._world.after(microseconds, lambda: self.answer(future, None))
        return future

    def answer(self, future: asyncio.Future[Any], result: object) -> None:
        """Give `future` its result, or its exception, unless nobody waits any more."""
        if self.dead or future.done():
            return
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)

    def freeze(self, microseconds: int) -> None:
        """Nothing of this instance runs for so long, whatever becomes ready."""
        self.freezes += 1
        mine = self.freezes
        self.frozen = True
        self.frozen_until = self._world.now + microseconds

        def thaw() -> None:
            if self.freezes == mine:
                self.frozen = False

        self._world.after(microseconds, thaw)

    def stop_dead(self) -> None:
        """Nothing of this instance ever runs again."""
        self.dead = True
        self.ready.clear()
        if self in self._world.loops:
            self._world.loops.remove(self)

    def bury(self) -> list[BaseException]:
        """After `stop_dead`: let go of the coroutines. What the finished tasks raised."""
        raised = []
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                close(task.get_coro())
            elif not task.cancelled() and (error := task.exception()) is not None:
                raised.append(error)
        self.tasks.clear()
        return raised


def close(coroutine: Any) -> None:
    """End a coroutine that nobody will step again; one that still wants to wait is left to be."""
    try:
        coroutine.close()
    except RuntimeError:
        return


class InstanceClock:
    """The clock of one instance: a wall that may be wrong, and seconds since it began."""

    def __init__(self, world: World, loop: InstanceLoop, skew: int) -> None:
        self.skew = skew
        self._world = world
        self._loop = loop
        self._base = world.now - world.rng.randrange(1000 * MICRO)

    def now(self) -> datetime:
        return self._world.time(self.skew)

    def monotonic(self) -> float:
        return (self._world.now - self._base) / MICRO

    async def sleep_until(self, when: datetime) -> None:
        # A moment longer, as every real timer: computing takes no time here, so one that rang
        # a rounding error early would be set again and again without the clock ever moving.
        while (left := when - self.now()) >= timedelta(0):
            await self._loop.sleep(min(left // timedelta(microseconds=1) + 1, 30 * MICRO))

    def start(self, work: Coroutine[Any, Any, Any], *, name: str = "") -> asyncio.Task[Any]:
        return self._loop.create_task(work, name=name)

    async def wait(self, tasks: Any) -> tuple[set[asyncio.Task[Any]], set[asyncio.Task[Any]]]:
        if not any(task.done() for task in tasks):
            woken = self._loop.create_future()

            def wake(_: object) -> None:
                if not woken.done():
                    woken.set_result(None)

            for task in tasks:
                task.add_done_callback(wake)
            try:
                await woken
            finally:
                for task in tasks:
                    task.remove_done_callback(wake)
        return {t for t in tasks if t.done()}, {t for t in tasks if not t.done()}

"""A store in the world: one state behind calls that take time, get lost, and come too late.

What a call does happens at one instant, between its asking and its answer. Every write that was
made is told to the history, with who made it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from emonk_ops.tick.clock import Clock
from emonk_ops.tick.errors import StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.storage import (
    DriverRecord,
    DueAfter,
    DuePage,
    Lock,
    Outcome,
    Stored,
    Verdict,
    Write,
)
from emonk_ops.tick.storage.state import StoreState
from tests.simulation.world import MICRO, InstanceLoop, World

CODES = ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED")
REFUSALS = (*CODES, "PERMISSION_DENIED")
READ_TIMEOUT = 2.0
WRITE_TIMEOUT = 4.0


class Recorder(Protocol):
    """Who watches the store. `late`: the answer to what happens now was given up already."""

    late: bool

    def wrote(self, who: str, old: Job | None, new: Job, now: datetime) -> None: ...

    def drives(self, record: DriverRecord) -> None: ...


@dataclass
class Weather:
    """How calls fare: usual seconds on the way, and how often one goes wrong."""

    latency: float
    trouble: float
    outage_until: int = 0
    outage_code: str = "UNAVAILABLE"


class SimulatedServer:
    """The one truth. Its clock is nobody's wall clock."""

    def __init__(self, world: World, recorder: Recorder, offset: int) -> None:
        self.world = world
        self.recorder = recorder
        self.offset = offset
        self.state = StoreState()

    def now(self) -> datetime:
        return self.world.time(self.offset)

    def admits(self, write: Write) -> bool:
        return self.state.admits(write)

    def write(self, who: str, write: Write) -> Outcome:
        if not self.admits(write):
            return Outcome(Verdict.CONFLICT)
        held = self.state.get(write.job.id)
        stored = self.state.put(write.job)
        self.recorder.wrote(who, None if held is None else held.job, write.job, self.now())
        return Outcome(Verdict.OK, stored.version)

    def lock(self, wanted: Lock) -> Lock | None:
        free = self.state.lockable(wanted, self.now())
        self.world.say(f"key {wanted.key} {'taken' if free else 'refused'}, until {wanted.until}")
        if not self.state.lockable(wanted, self.now()):
            return None
        self.state.put_lock(wanted)
        return wanted

    def unlock(self, locks: Sequence[Lock]) -> None:
        for lock in filter(self.state.holds, locks):
            self.world.say(f"key {lock.key} freed")
            self.state.drop_lock(lock.key)

    def set_driver(self, record: DriverRecord, expected: int) -> bool:
        held = self.state.driver
        if (0 if held is None else held.epoch) != expected:
            return False
        self.state.driver = record
        self.recorder.drives(record)
        return True


class SimulatedStorage:
    """One instance's way to the store: the whole port."""

    kind = "simulated"

    def __init__(
        self, server: SimulatedServer, loop: InstanceLoop, weather: Weather, who: str
    ) -> None:
        self._server = server
        self._loop = loop
        self._weather = weather
        self._world = server.world
        self.who = who
        self.clock_of_instance: Clock | None = None
        # Whom the instance cannot be blamed for: jobs it could not read back, leases it let go.
        self.unread: set[str] = set()
        self.given_back: set[tuple[str, int]] = set()

    async def open(self) -> None:
        return

    async def close(self) -> None:
        return

    async def ping(self) -> None:
        await self.clock()

    async def clock(self) -> datetime:
        now: datetime = await self._read("clock", self._server.now)
        return now

    async def read_due(self, limit: int, after: DueAfter | None = None) -> DuePage:
        def poll() -> DuePage:
            now = self._server.now()
            return DuePage(self._server.state.due(now, limit, after), now)

        page: DuePage = await self._read("poll", poll)
        return page

    async def get(self, ids: Sequence[str]) -> tuple[Stored | None, ...]:
        def look() -> tuple[Stored | None, ...]:
            return tuple(self._server.state.get(job_id) for job_id in ids)

        try:
            found: tuple[Stored | None, ...] = await self._read("get", look)
        except StorageError:
            self.unread |= set(ids)
            raise
        return found

    async def list_jobs(self, limit: int, after: str | None = None) -> tuple[Stored, ...]:
        page: tuple[Stored, ...] = await self._read(
            "list", lambda: self._server.state.by_id(limit, after)
        )
        return page

    async def count_leases(self) -> int:
        count: int = await self._read(
            "count", lambda: self._server.state.live_leases(self._server.now())
        )
        return count

    async def driver(self) -> DriverRecord | None:
        record: DriverRecord | None = await self._read("driver", lambda: self._server.state.driver)
        return record

    async def set_driver(self, record: DriverRecord, expected_epoch: int) -> bool:
        done: bool = await self._change(
            "set-driver", lambda: self._server.set_driver(record, expected_epoch)
        )
        return done

    async def lock(self, wanted: Sequence[Lock]) -> tuple[Lock | None, ...]:
        locks: tuple[Lock | None, ...] = await self._change(
            "lock", lambda: tuple(self._server.lock(lock) for lock in wanted)
        )
        return locks

    async def unlock(self, locks: Sequence[Lock]) -> None:
        await self._change("unlock", lambda: self._server.unlock(locks))

    async def remove(self, stored: Stored) -> bool:
        raise NotImplementedError("nothing simulated forgets a job")

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        self.given_back |= {(w.job.id, w.job.fence) for w in batch if w.job.lease is None}
        partial = self._world.rng.random() < self._weather.trouble / 2

        def put() -> tuple[Outcome, ...]:
            return tuple(self._put(write, partial) for write in batch)

        outcomes: tuple[Outcome, ...] = await self._change("write", put)
        return outcomes

    def _put(self, write: Write, partial: bool) -> Outcome:
        if partial and self._world.rng.random() < 0.4:
            made = self._world.rng.random() < 0.5
            if made:
                self._server.write(self.who, write)
            self._world.say(f"{self.who} {write.job.id}: unclear, {'made' if made else 'not made'}")
            return Outcome(Verdict.UNCLEAR, code=CODES[int(self._world.rng.random() * 3)])
        return self._server.write(self.who, write)

    async def _read(self, what: str, action: Callable[[], Any]) -> Any:
        return await self._call(what, action, READ_TIMEOUT)

    async def _change(self, what: str, action: Callable[[], Any]) -> Any:
        return await self._call(what, action, WRITE_TIMEOUT)

    async def _call(self, what: str, action: Callable[[], Any], timeout: float) -> Any:
        world, rng, server = self._world, self._world.rng, self._server
        answer: asyncio.Future[Any] = self._loop.create_future()
        there = int(self._weather.latency * rng.expovariate(1.0) * MICRO)
        back = int(self._weather.latency * rng.expovariate(1.0) * MICRO)
        fate = self._fate()
        limit = int(timeout * MICRO)

        def give_up() -> None:
            if not answer.done():
                world.say(f"{self.who} {what}: no answer in time")
            self._loop.answer(answer, _error("DEADLINE_EXCEEDED"))

        def arrive() -> None:
            if fate in REFUSALS:
                world.say(f"{self.who} {what}: {fate}, not done")
                world.after(back, lambda: self._loop.answer(answer, _error(fate)))
                return
            server.recorder.late = answer.done()
            result = action()
            if fate == "answer lost":
                world.say(f"{self.who} {what}: done, the answer is lost")
                lost = _error(CODES[there % 3])
                world.after(back, lambda: self._loop.answer(answer, lost))
            elif fate != "done after the limit":
                world.after(back, lambda: self._loop.answer(answer, result))

        if fate == "done after the limit":
            there = limit + back
        if fate != "never arrives":
            world.after(there, arrive)
        world.after(limit, give_up)
        return await answer

    def _fate(self) -> str:
        weather, rng = self._weather, self._world.rng
        if self._world.now < weather.outage_until:
            return weather.outage_code
        if rng.random() >= weather.trouble:
            return ""
        return rng.choice(
            (*CODES, "answer lost", "answer lost", "done after the limit", "never arrives")
        )


def _error(code: str) -> StorageError:
    return StorageError(f"simulated: {code}.", code=code, transient=code != "PERMISSION_DENIED")

"""Several instances of the service as processes, and what is done to them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from emonk_ops.sandbox.processes import Reaper
from tests.chaos.backends import Backend
from tests.chaos.instance import Instance
from tests.chaos.journal import Journal
from tests.chaos.points import arm, disarm

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_SECONDS = 60.0
ENDS_WITHIN_SECONDS = 20.0
ANSWERS_WITHIN_SECONDS = 12.0


@dataclass(frozen=True)
class Timing:
    """Seconds. The same inequality as the service checks at start-up, on a smaller scale."""

    lease: float = 3.0
    handler_timeout: float = 1.0
    margin: float = 0.5
    tick_budget: float = 2.0

    def __post_init__(self) -> None:
        assert self.handler_timeout + self.margin < self.lease


class Member:
    """One name in the fleet: the process that bears it now."""

    def __init__(self, name: str, tag: str, process: subprocess.Popen[bytes], port: int) -> None:
        self.name = name
        self.tag = tag
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self.stopped = False

    @property
    def alive(self) -> bool:
        return self.process.poll() is None


class Fleet:
    """Starts, kills, stops and ticks; each of these is in the journal.

    Every instance that is started has `claim_mode`, the `defect` if one is planted, and what is in
    `environment` besides the usual.
    """

    def __init__(
        self, folder: Path, journal: Journal, backend: Backend, seed: str, timing: Timing
    ) -> None:
        self.folder = folder
        self.points = folder / "points"
        self.points.mkdir(exist_ok=True)
        self.members: dict[str, Member] = {}
        self.seed = seed
        self.timing = timing
        self.claim_mode = "batch"
        self.defect = ""
        self.environment: dict[str, str] = {}
        self._journal = journal
        self._backend = backend
        self._starts = 0
        self._reaper = Reaper()
        self._http = httpx.AsyncClient(timeout=ANSWERS_WITHIN_SECONDS, trust_env=False)

    async def start(self, name: str, *, skew: float = 0.0) -> Member:
        """Start an instance under this name, and return once it listens."""
        self._starts += 1
        tag = f"{name}.{self._starts}"
        told = Instance(
            name=name,
            tag=tag,
            folder=str(self.folder),
            seed=self.seed,
            storage=self._backend.kind,
            place=await self._backend.place(name),
            lease=self.timing.lease,
            handler_timeout=self.timing.handler_timeout,
            margin=self.timing.margin,
            tick_budget=self.timing.tick_budget,
            claim_mode=self.claim_mode,
            skew=skew,
            defect=self.defect,
        )
        port = _free_port()
        member = Member(name, tag, self._spawn(told, port), port)
        self.members[name] = member
        self._journal.write("start", tag=tag, mono=time.monotonic(), skew=skew)
        await self._listening(member, port)
        return member

    def _spawn(self, told: Instance, port: int) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PORT": str(port),
            "HOST": "127.0.0.1",
            "ENVIRONMENT": "local",
            "GRPC_VERBOSITY": "NONE",
            **self.environment,
        }
        with (
            (self.folder / f"{told.tag}.log").open("wb") as out,
            (self.folder / f"{told.tag}.err").open("wb") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.instance", told.to_text()],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                process_group=0,
            )
        self._reaper.watch(process.pid)
        return process

    async def _listening(self, member: Member, port: int) -> None:
        give_up = time.monotonic() + STARTS_WITHIN_SECONDS
        while member.alive:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                assert time.monotonic() < give_up, f"{member.tag} does not listen"
                await asyncio.sleep(0.05)
            else:
                writer.close()
                await writer.wait_closed()
                return

    async def tick(self, name: str) -> dict[str, object]:
        """Tick an instance; {} where nobody answered."""
        member = self.members[name]
        try:
            answer = await self._http.post(f"{member.url}/cron/tick")
        except httpx.HTTPError:
            return {}
        self._journal.write("tick", of=member.tag, status=answer.status_code)
        body: dict[str, object] = answer.json() if answer.status_code in (200, 503) else {}
        return body

    def kill(self, name: str) -> None:
        self._end(name, signal.SIGKILL)

    def terminate(self, name: str) -> None:
        self._end(name, signal.SIGTERM)

    def stop(self, name: str) -> None:
        """Have the process stand still, wherever it is."""
        member = self.members[name]
        self._journal.write("stop", tag=member.tag, mono=time.monotonic())
        member.stopped = True
        self._signal(member, signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Have it go on; no harm where it runs."""
        member = self.members[name]
        self._journal.write("cont", tag=member.tag, mono=time.monotonic())
        member.stopped = False
        self._signal(member, signal.SIGCONT)

    def arm(self, name: str, point: str, action: str) -> Path:
        """Have it kill or stop itself at a named point; the file goes when it has."""
        arm(self.points, name, point, action)
        return self.points / f"{name}@{point}"

    def disarm(self) -> None:
        disarm(self.points)

    def gone(self) -> list[str]:
        """The names whose process has ended; a bad end is in the journal as a bad answer."""
        found = [name for name, member in self.members.items() if not member.alive]
        for name in found:
            member = self.members[name]
            self._reaper.forget(member.process.pid)
            code = member.process.returncode
            self._journal.write("died", tag=member.tag, mono=time.monotonic(), code=code)
            if code not in (0, -signal.SIGKILL, -signal.SIGTERM):
                self._journal.write("tick", of=member.tag, status=code)
        return found

    async def end(self) -> None:
        """SIGTERM to all, and wait until they have ended."""
        for name, member in self.members.items():
            self.resume(name)
            if member.alive:
                self.terminate(name)
        give_up = time.monotonic() + ENDS_WITHIN_SECONDS
        while any(member.alive for member in self.members.values()):
            assert time.monotonic() < give_up, "an instance does not end on SIGTERM"
            await asyncio.sleep(0.05)
        self.gone()

    async def close(self) -> None:
        """Leave no process behind, whatever happened."""
        for member in self.members.values():
            if member.alive:
                member.process.kill()
            member.process.wait()
            self._reaper.forget(member.process.pid)
        self._reaper.close()
        await self._http.aclose()

    def _end(self, name: str, how: signal.Signals) -> None:
        member = self.members[name]
        self._journal.write("died", tag=member.tag, mono=time.monotonic(), how=how.name)
        self._signal(member, how)

    def _signal(self, member: Member, what: signal.Signals) -> None:
        if member.alive:
            member.process.send_signal(what)


@asynccontextmanager
async def fleet(
    folder: Path, journal: Journal, backend: Backend, seed: str, timing: Timing
) -> AsyncIterator[Fleet]:
    """A fleet, none of whose processes outlives it."""
    found = Fleet(folder, journal, backend, seed, timing)
    try:
        yield found
    finally:
        await found.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""An instance of a revision: a real process with a port, a disk of its own, and a clock link."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from enum import Enum
from pathlib import Path

from emonk_ops.sandbox.clock_link import ClockLink
from emonk_ops.sandbox.processes import ChildProcess, Launch, Reaper
from emonk_ops.sandbox.run.log_entries import container_entry, system_entry
from emonk_ops.sandbox.run.spec import RevisionSpec
from emonk_ops.sandbox.shared_clock import LINK_VARIABLE, PAGE_VARIABLE
from emonk_ops.sandbox.world import World

GRACE_SECONDS = 10.0  # real: from SIGTERM to SIGKILL, as the platform documents
SETTINGS = "run.settings"
_PROBE_SECONDS = 0.01
_INHERITED = ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH")


class InstanceState(Enum):
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    GONE = "gone"


class StartFailed(Exception):
    """The container did not come to listen on its port; the message says how it ended."""


def instance_directory(world: World) -> Path:
    return world.directory.resolve() / "instances"


class Instance:
    """One instance. It is busy, for the world's clock, while it starts or stops, and while the
    requests it serves plus what its process says of itself is more than nothing; frozen or gone
    it is idle. `ended` is called once, when its process is gone.
    """

    def __init__(
        self, world: World, spec: RevisionSpec, reaper: Reaper, ended: Callable[[Instance], None]
    ) -> None:
        self.spec = spec
        self.id = secrets.token_hex(32)
        self.state = InstanceState.STARTING
        self.frozen = False
        self.throttled = False
        self.in_flight = 0
        self.port = _free_port()
        self.idle_since = world.clock.now()
        self._world = world
        self._ended = ended
        self._gone = asyncio.Event()
        self._label = f"instance {spec.revision} {self.id[:8]}"
        self._directory = instance_directory(world) / self.id[:16]
        self._reaper = reaper
        self._link: ClockLink | None = None
        self._process: ChildProcess | None = None

    @property
    def labels(self) -> dict[str, str]:
        return {"instanceId": self.id}

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    # -- life ------------------------------------------------------------------------------

    async def start(self) -> None:
        """Spawn and wait until the port answers; StartFailed when it never does."""
        self._count()
        self._say(f"Starting new instance. Reason: {self._reason()}")
        try:
            self._spawn(await self._world.address_of(self.spec.account))
        except OSError as problem:
            self._finish(127)
            raise StartFailed(f"the command could not be run: {problem}") from problem
        try:
            await self._listening()
        except StartFailed as problem:
            self._say(str(problem), error=True)
            await self.stop()
            raise
        await self._cold()
        self.state = InstanceState.READY
        self._throttle()
        self._count()

    async def _cold(self) -> None:
        """What the platform's own work adds to a start, where somebody set it."""
        seconds = cold_start_seconds(self._world)
        if seconds:
            clock = self._world.clock
            await clock.sleep_until(clock.now() + timedelta(seconds=seconds))

    def _reason(self) -> str:
        return "DEPLOYMENT_ROLLOUT - Instance started due to traffic shifting or min-instances."

    def _spawn(self, address: str) -> None:
        environment = self._environment(address)
        inherited: tuple[int, ...] = ()
        if self._world.clock.mode == "virtual":
            self._link = ClockLink(self._world.clock, self._count)
            inherited = (self._link.theirs.fileno(),)
            environment[PAGE_VARIABLE] = str(self._world.directory.resolve() / "clock")
            environment[LINK_VARIABLE] = str(inherited[0])
        try:
            self._process = ChildProcess(
                Launch(self.spec.command, environment, self._directory, inherited),
                self._reaper,
                self._write,
                self._finish,
            )
        finally:
            if self._link is not None:
                self._link.theirs.close()

    def _environment(self, address: str) -> dict[str, str]:
        disk = str(self._directory / "disk")
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment.update(HOME=disk, TMPDIR=disk, PYTHONUNBUFFERED="1", HOST="127.0.0.1")
        # Its own door: whoever calls there is the revision's service account.
        environment["FIRESTORE_EMULATOR_HOST"] = address
        if self.spec.source is not None:
            environment["PYTHONPATH"] = str(self.spec.source)
        environment.update(self.spec.env)
        environment.update(
            PORT=str(self.port),
            K_SERVICE=self.spec.service,
            K_REVISION=self.spec.revision,
            K_CONFIGURATION=self.spec.service,
            GOOGLE_CLOUD_PROJECT=self.spec.env.get("GOOGLE_CLOUD_PROJECT", self.spec.project),
            OIDC_CERTS_URL=f"{self._world.http_url}/oidc/certs",
        )
        return environment

    async def _listening(self) -> None:
        deadline = asyncio.get_running_loop().time() + self.spec.startup_timeout
        while asyncio.get_running_loop().time() < deadline:
            if self._gone.is_set():
                raise StartFailed("Container exited before it listened.")
            if await _answers(self.port):
                return
            await asyncio.sleep(_PROBE_SECONDS)
        raise StartFailed(
            f"Default STARTUP TCP probe failed 1 time consecutively for container"
            f' "{self.spec.service}" on port {self.spec.port}. The instance was not started.'
        )

    async def stop(self) -> None:
        """SIGTERM, up to ten real seconds, SIGKILL; returns when the process is gone."""
        if self.state is InstanceState.GONE:
            return
        self.state = InstanceState.STOPPING
        self._count()
        if self._process is None:
            self._finish(0)
            return
        self.thaw()
        self._allocate()
        self._process.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), GRACE_SECONDS)
        if not self._gone.is_set():
            self._process.signal(signal.SIGKILL)
            await self._gone.wait()

    def kill(self) -> None:
        """End the process at once (a fault): SIGKILL, no grace."""
        if self._process is not None:
            self._process.signal(signal.SIGKILL)
            if self._link is not None:
                self._link.close()

    def freeze(self) -> None:
        """Stop the process where it is (a fault); it counts as idle until thawed."""
        if self._process is not None and self.state is not InstanceState.GONE:
            self._process.signal(signal.SIGSTOP)
            self.frozen = True
            self._count()

    def thaw(self) -> None:
        if self.frozen and self._process is not None:
            self.frozen = False
            self._count()
            if not self.throttled:
                self._process.signal(signal.SIGCONT)

    # -- CPU between requests --------------------------------------------------------------

    def _throttle(self) -> None:
        """Without a request a container has no CPU, unless it is always allocated.

        From run/docs/configuring/billing-settings; it is stopped altogether here, which is the
        worst that the platform may do.
        """
        idle = self.state is InstanceState.READY and self.in_flight == 0
        if self.spec.cpu_idle and idle and not self.throttled and self._process is not None:
            self.throttled = True
            self._process.signal(signal.SIGSTOP)

    def _allocate(self) -> None:
        if self.throttled and self._process is not None:
            self.throttled = False
            if not self.frozen:
                self._process.signal(signal.SIGCONT)

    # -- counting and output ---------------------------------------------------------------

    def begin_request(self) -> None:
        self.in_flight += 1
        self._allocate()
        self._count()

    def end_request(self) -> None:
        self.in_flight -= 1
        self.idle_since = self._world.clock.now()
        self._throttle()
        self._count()

    def _count(self) -> None:
        moving = self.state in (InstanceState.STARTING, InstanceState.STOPPING)
        own = self._link.count if self._link is not None else 0
        count = 0
        if self.state is not InstanceState.GONE and not (self.frozen or self.throttled):
            count = max(0, self.in_flight + own) + moving
        self._world.clock.set_activity(self._label, count)

    def _write(self, stream: str, lines: list[bytes]) -> None:
        now = self._world.clock.now()
        entries = [
            container_entry(self.spec, stream, one, now, self.labels) for one in lines if one
        ]
        self._world.logs.write(entries)

    def _say(self, text: str, *, error: bool = False) -> None:
        now = self._world.clock.now()
        entry = system_entry(self.spec, text, now, self.labels, error=error)
        self._world.logs.write([entry])

    def _finish(self, code: int) -> None:
        if self.state is InstanceState.GONE:
            return
        expected = self.state is InstanceState.STOPPING
        if not expected:
            how = f"on signal {-code}." if code < 0 else f"with exit({code})."
            self._say(f"Container terminated {how}", error=True)
        self.state = InstanceState.GONE
        if self._link is not None:
            self._link.close()
        self._count()
        shutil.rmtree(self._directory, ignore_errors=True)
        self._gone.set()
        self._ended(self)


def cold_start_seconds(world: World) -> float:
    """How long the platform itself takes to start an instance; 0 unless it was set."""
    return float(world.store.get(SETTINGS, "cold_start") or b"0")


def set_cold_start(world: World, seconds: float) -> None:
    """Let every start of an instance take so much longer, by the world's clock."""
    world.store.put(SETTINGS, "cold_start", str(seconds).encode())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True

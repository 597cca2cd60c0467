"""One process, one event loop: all APIs of the sandbox on one gRPC and one HTTP port."""

from __future__ import annotations

import importlib
import json
import os
import random
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

import grpc
import httpx

from emonk_ops.sandbox.clock import Mode, WorldClock
from emonk_ops.sandbox.control import Control
from emonk_ops.sandbox.doors import Doors
from emonk_ops.sandbox.endpoint import (
    DirectoryLock,
    Endpoint,
    SandboxError,
    remove_endpoint,
    write_endpoint,
)
from emonk_ops.sandbox.gate import Gate
from emonk_ops.sandbox.grpc_door import Door
from emonk_ops.sandbox.http_server import HttpServer, Request, Response
from emonk_ops.sandbox.iam.guard import Guard
from emonk_ops.sandbox.oidc import Issuer
from emonk_ops.sandbox.rest.coverage import served_packages
from emonk_ops.sandbox.rest.unserved import UnservedMethods
from emonk_ops.sandbox.rest.wire import RestWire
from emonk_ops.sandbox.store import Store
from emonk_ops.sandbox.world import Api, World

if TYPE_CHECKING:
    from emonk_ops.sandbox.databases.routes import DatabasesApi
    from emonk_ops.sandbox.faults.routes import FaultsApi
    from emonk_ops.sandbox.iam.routes import IamApi
    from emonk_ops.sandbox.usage.routes import UsageApi

API_FOLDERS = (
    "faults",
    "iam",
    "usage",
    "databases",
    "firestore",
    "logging",
    "monitoring",
    "run",
    "scheduler",
)
CONTROL_PREFIXES = ("/sandbox/", "/oidc/")
_HTTP_TIMEOUT = httpx.Timeout(3_700.0, connect=5.0)  # above the longest attempt of any API


class Sandbox:
    """A Google Cloud in a directory; use as an async context manager.

    `Sandbox(directory, clock="virtual")` starts where the directory's last one ended. `start` is
    the first moment of a virtual clock on an empty directory (default: the machine's now).
    Ports of 0 mean those of the last time, or free ones. With `populate` an empty directory gets
    the world before the migration.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Mode = "virtual",
        grpc_port: int = 0,
        http_port: int = 0,
        seed: int = 1,
        start: datetime | None = None,
        populate: bool = True,
        apis: tuple[str, ...] = API_FOLDERS,
    ) -> None:
        self.directory = directory
        self._mode: Mode = clock
        self._ports = {"grpc": grpc_port, "http": http_port}
        self._seed = seed
        self._start = start
        self._populate = populate
        self._api_names = apis
        self._lock = DirectoryLock(directory)
        self._grpc: grpc.aio.Server | None = None
        self._http: HttpServer | None = None
        self._control: Control | None = None
        self._rest: RestWire | None = None
        self.apis: dict[str, Api] = {}
        self.world: World = cast("World", None)
        self.endpoint: Endpoint = cast("Endpoint", None)

    async def __aenter__(self) -> Sandbox:
        self._lock.acquire()
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _open(self) -> None:
        self.world = make_world(self.directory, self._mode, self._seed, self._start)
        control = Control(self.world, self.apis, self.populate)
        self._control = control
        self._http = HttpServer(self._answer, cancels_on_disconnect=True)
        kept = json.loads(self.world.store.get("sandbox", "ports") or b"{}")
        http_port = await self._listen_http(kept)
        self.world.http_url = f"http://127.0.0.1:{http_port}"
        self.apis.update(registered(self.world, self._api_names))
        for api in self.apis.values():
            control.add(getattr(api, "actions", dict)())
        grpc_port = await self._listen_grpc(kept)
        self.world.grpc_address = f"127.0.0.1:{grpc_port}"
        ports = json.dumps({"grpc": grpc_port, "http": http_port})
        self.world.store.put("sandbox", "ports", ports.encode())
        for api in self.apis.values():
            await api.start()
        assert self._grpc is not None
        await self._grpc.start()
        if self.world.store.get("sandbox", "populated") is None:
            await self.populate()
        self.endpoint = Endpoint(
            str(self.directory.resolve()),
            os.getpid(),
            self.world.grpc_address,
            self.world.http_url,
            self._mode,
        )
        write_endpoint(self.directory, self.endpoint)

    async def _listen_http(self, kept: dict[str, int]) -> int:
        assert self._http is not None
        if not self._ports["http"] and "http" in kept:
            try:
                return await self._http.listen(kept["http"])
            except OSError:
                pass  # somebody took the port of last time: any free one does
        try:
            return await self._http.listen(self._ports["http"])
        except OSError as problem:
            raise _taken("HTTP", self._ports["http"]) from problem

    async def _listen_grpc(self, kept: dict[str, int]) -> int:
        # Without so_reuseport=0 two sandboxes would share one port without an error.
        handlers: list[Any] = [one for api in self.apis.values() for one in api.handlers()]
        handlers.append(UnservedMethods(served_packages(handlers)))
        interceptors, before_rest = [], []
        if {"faults", "iam", "usage"} <= self.apis.keys():
            gate = self._gate()
            # A door remembers what it found behind it, which is not the same on both wires.
            interceptors, before_rest = [Door(gate)], [Door(gate)]
            self.world.doors = Doors(gate, handlers)
        self._grpc = grpc.aio.server(options=[("grpc.so_reuseport", 0)], interceptors=interceptors)
        self._rest = RestWire(handlers, before_rest, self._dialects())
        self._grpc.add_generic_rpc_handlers(tuple(handlers))
        if not self._ports["grpc"] and "grpc" in kept:
            try:
                return int(self._grpc.add_insecure_port(f"127.0.0.1:{kept['grpc']}"))
            except RuntimeError:
                pass  # as above
        try:
            return int(self._grpc.add_insecure_port(f"127.0.0.1:{self._ports['grpc']}"))
        except RuntimeError as problem:
            raise _taken("gRPC", self._ports["grpc"]) from problem

    def _dialects(self) -> list[Any]:
        made = [getattr(api, "dialects", None) for api in self.apis.values()]
        return [make for make in made if make is not None]

    async def _answer(self, request: Request) -> Response:
        """The control plane under its own prefix, Google's APIs everywhere else.

        gcloud has the sandbox as its proxy: it comes here for every host, and gets no tunnel.
        """
        if request.method == "CONNECT":
            return Response(403)
        if request.path.startswith(CONTROL_PREFIXES) or self._rest is None:
            assert self._control is not None
            return await self._control.handle(request)
        return await self._rest.handle(request)

    def _gate(self) -> Gate:
        iam, usage = cast("IamApi", self.apis["iam"]), cast("UsageApi", self.apis["usage"])
        databases = cast("DatabasesApi | None", self.apis.get("databases"))
        exists = None if databases is None else databases.methods.check
        guard = Guard(iam.access, iam.callers, usage.enabled, exists)
        faults = cast("FaultsApi", self.apis["faults"]).faults
        return Gate(guard, faults, self.world.clock)

    async def populate(self) -> None:
        """Make the world before the migration, once a directory (and after a reset)."""
        self.world.store.put("sandbox", "populated", b"1")
        if self._populate and "run" in self.apis:
            module = importlib.import_module("emonk_ops.sandbox.before_migration")
            await module.populate(self.world, self.apis["run"])

    async def close(self) -> None:
        """Stop everything that was started; safe on a sandbox that started halfway."""
        remove_endpoint(self.directory)
        if self._grpc is not None:
            await self._grpc.stop(grace=0.2)
        for api in reversed(list(self.apis.values())):
            await api.stop()
        if self._http is not None:
            await self._http.close()
        if self.world is not None:
            if self.world.doors is not None:
                await self.world.doors.close()
            await self.world.cancel_tasks()
            await self.world.http.aclose()
            self.world.clock.close()
            self.world.store.close()
        self._lock.release()


def make_world(directory: Path, mode: Mode, seed: int = 1, start: datetime | None = None) -> World:
    """The world of a directory that exists; whoever makes it closes its clock and store."""
    clock = WorldClock(mode, directory / "clock", start=start)
    store = Store(directory / "state.sqlite")
    logging_store = importlib.import_module("emonk_ops.sandbox.logging.store")
    return World(
        directory=directory,
        clock=clock,
        store=store,
        logs=logging_store.LogStore(store.connection, clock.now),
        oidc=Issuer(),
        rng=random.Random(seed),
        http=httpx.AsyncClient(timeout=_HTTP_TIMEOUT, trust_env=False, limits=_limits()),
    )


def registered(world: World, names: Iterable[str] = API_FOLDERS) -> dict[str, Api]:
    """The APIs of a world by the name of their folder, not started yet."""
    found: dict[str, Api] = {}
    for name in names:
        routes = importlib.import_module(f"emonk_ops.sandbox.{name}.routes")
        found[name] = routes.register(world)
    return found


def _taken(what: str, port: int) -> SandboxError:
    return SandboxError(
        f"the {what} port {port} on 127.0.0.1 is taken (address already in use); "
        "name another, or none to get a free one"
    )


def _limits() -> httpx.Limits:
    return httpx.Limits(max_connections=None, max_keepalive_connections=64)

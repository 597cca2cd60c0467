"""Jobs carried between stores: a job file of this host, a Firestore database, a running service.

The stores are the service's own, so that what is written here is what the service reads.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from emonk_ops.errors import NotFound, UsageError
from emonk_ops.gcp.endpoints import SandboxAddress, on_loopback, sandbox_address
from emonk_ops.gcp.service_side import ServiceSide
from emonk_ops.gcp.store_faults import translated
from emonk_ops.job_ports import Migration
from emonk_ops.ports import TickService
from emonk_ops.settings import Environment, Target
from emonk_ops.tick.clock import Clock, SystemClock
from emonk_ops.tick.migration.engine import Carriage, Limits
from emonk_ops.tick.migration.mark import MarkFile
from emonk_ops.tick.migration.sides import Side, StoreSide
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.json_file import JsonFileStorage

# A page of 500 jobs is no tick: it may take its time.
READ_SECONDS = 20.0
WRITE_SECONDS = 30.0
EMULATOR = "FIRESTORE_EMULATOR_HOST"


class StoreMigrations:
    """See `emonk_ops.job_ports.Migrations`."""

    def __init__(
        self,
        env: Environment,
        service: Callable[[], TickService],
        *,
        clock: Clock | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._env = env
        self._service = service
        self._clock = clock or SystemClock()
        self._environ = environ

    def run(self, wanted: Migration) -> Mapping[str, Any]:
        return self._with(wanted, lambda carriage: carriage.run())

    def abandon(self, wanted: Migration) -> Mapping[str, Any]:
        return self._with(wanted, lambda carriage: carriage.abandon())

    def _with(
        self, wanted: Migration, act: Callable[[Carriage], Awaitable[dict[str, Any]]]
    ) -> Mapping[str, Any]:
        async def carried() -> dict[str, Any]:
            async with (
                self._side(wanted.source, must_exist=True) as source,
                self._side(wanted.target, must_exist=False) as target,
            ):
                carriage = Carriage(
                    (wanted.source, source),
                    (wanted.target, target),
                    MarkFile(wanted.mark),
                    self._clock,
                    limits=Limits(wait_seconds=wanted.wait_seconds),
                    say=wanted.say,
                )
                return await act(carriage)

        with translated(self._env):
            return asyncio.run(carried())

    @asynccontextmanager
    async def _side(self, place: str, *, must_exist: bool) -> AsyncIterator[Side]:
        if place == "service":
            yield ServiceSide(self._service(), self._clock)
            return
        storage = self._storage(place, must_exist)
        try:
            await storage.open()
            yield StoreSide(storage)
        finally:
            await storage.close()

    def _storage(self, place: str, must_exist: bool) -> JobStorage:
        kind, _, where = place.partition(":")
        if kind == "firestore":
            return self._firestore(where)
        path = Path(where)
        if must_exist and not path.is_file():
            raise NotFound(
                f"there is no job file {path}",
                hint="--from json:PATH of the service's SCHEDULER_JSON_PATH, or --from service",
            )
        return JsonFileStorage(path, self._clock)

    def _firestore(self, where: str) -> JobStorage:
        from emonk_ops.tick.storage.firestore import FirestoreStorage
        from emonk_ops.tick.storage.firestore_calls import Place, Timeouts

        project, _, database = where.partition("/")
        place = Place(project, database or "(default)", emulator=self._emulator())
        rng, patient = random.Random(secrets.randbits(64)), Timeouts(READ_SECONDS, WRITE_SECONDS)
        return FirestoreStorage(place, self._clock, rng=rng, timeouts=patient)

    def _emulator(self) -> str:
        """host:port instead of the real Firestore; "" for the real one."""
        named = self._environ.get(EMULATOR, "")
        if self._env.target is Target.SANDBOX:
            if named:
                return on_loopback(SandboxAddress(named, f"http://{named}")).grpc
            return sandbox_address(self._env).grpc
        if named:
            raise UsageError(
                f"{EMULATOR}={named}, but {self._env.name} is in the real cloud",
                hint=f"unset {EMULATOR}, or take an environment of the sandbox",
            )
        if self._env.impersonate:
            raise UsageError(
                "Firestore is reached with application default credentials as they are",
                hint="gcloud auth application-default login --impersonate-service-account="
                + self._env.impersonate,
            )
        return ""

"""The job storages and the places of state, each behind one fixture, and the time they go by."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from emonk_ops.sandbox.endpoint import Endpoint
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.emulator import Emulator
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from tests.state_places import StatePlace


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class StoreTime:
    """The store's time: moved where the clock is handed in, waited for where it is the world's."""

    def __init__(self, storage: JobStorage, clock: ManualClock | None) -> None:
        self._storage = storage
        self._clock = clock

    async def reach(self, when: datetime) -> None:
        while (left := when - (await self._storage.read_due(1)).read_time) > timedelta(0):
            if self._clock is not None:
                await self._clock.advance(left.total_seconds())
            else:
                await asyncio.sleep(left.total_seconds())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(
    params=[
        "memory",
        "json",
        *("firestore", "firestore with transactions"),
        *("firestore in the sandbox", "firestore in the sandbox with transactions"),
    ]
)
async def storage(
    request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path
) -> AsyncIterator[JobStorage]:
    store: JobStorage
    if request.param == "memory":
        store = MemoryStorage(clock)
    elif request.param == "json":
        store = JsonFileStorage(tmp_path / "jobs.jsonl", clock)
    else:
        place = Place(f"test-{secrets.token_hex(6)}", emulator=_address(request))
        mode = "transaction" if "transactions" in request.param else "batch"
        store = FirestoreStorage(place, SystemClock(), claim_mode=mode)
    await store.open()
    yield store
    await store.close()


def _address(request: pytest.FixtureRequest) -> str:
    if "sandbox" in request.param:
        endpoint: Endpoint = request.getfixturevalue("firestore_embedded")
        return endpoint.grpc
    emulator: Emulator = request.getfixturevalue("firestore_emulator")
    return emulator.address


@pytest.fixture
async def time(storage: JobStorage, clock: ManualClock) -> StoreTime:
    return StoreTime(storage, None if storage.kind == "firestore" else clock)


@pytest.fixture
async def now(storage: JobStorage) -> datetime:
    return await storage.clock()


@pytest.fixture(params=["file", "firestore", "firestore in the sandbox"])
def state_place(request: pytest.FixtureRequest, tmp_path: Path) -> StatePlace:
    """Where journal and lock are; a Firestore's project of its own is a world of its own."""
    address = "" if request.param == "file" else _address(request)
    return StatePlace(tmp_path, address)

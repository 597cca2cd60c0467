"""The stores that a chaos run can be on."""

from __future__ import annotations

import random
import secrets
import time
from pathlib import Path
from typing import Protocol

import grpc

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place
from emonk_ops.tick.storage.json_file import JsonFileStorage
from tests.chaos.journal import Journal
from tests.wire import Fault, Wire

CODES = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
WRITES = ("BatchWrite", "Commit")
LATEST_SECONDS = 0.5


class Backend(Protocol):
    """A store, and the faults on the way to it. `skews`: whether instances' clocks may be wrong."""

    kind: str
    skews: bool

    async def place(self, name: str) -> str:
        """Where the instance of this name finds the store."""
        ...

    def direct(self) -> JobStorage:
        """The store without faults, for the harness."""
        ...

    def fail(self, rate: float, name: str = "") -> None:
        """From now on this share of the calls fails, for one instance or for all."""
        ...

    async def close(self) -> None: ...


class JsonBackend:
    """A job file. Its clock is the host's, so that no instance may be wrong about it."""

    kind = "json"
    skews = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / "jobs.jsonl"
        self._rate = folder / "rate"

    async def place(self, name: str) -> str:
        return str(self._path)

    def direct(self) -> JobStorage:
        return JsonFileStorage(self._path, SystemClock())

    def fail(self, rate: float, name: str = "") -> None:
        whole = self._rate.with_suffix(".new")
        whole.write_text(str(rate))
        whole.rename(self._rate)

    async def close(self) -> None:
        return


class FirestoreBackend:
    """Any Firestore on loopback: Google's emulator, or another one's address."""

    kind = "firestore"
    skews = True

    def __init__(self, address: str, journal: Journal, rng: random.Random) -> None:
        self._address = address
        self._project = f"chaos-{secrets.token_hex(6)}"
        self._journal = journal
        self._rng = rng
        self._rates: dict[str, float] = {}
        self._wires: dict[str, Wire] = {}

    async def place(self, name: str) -> str:
        if name not in self._wires:
            self._wires[name] = Wire(self._address, lambda method: self._choose(name, method))
            await self._wires[name].open()
        return f"{self._project}@{self._wires[name].address}"

    def direct(self) -> JobStorage:
        return FirestoreStorage(Place(self._project, emulator=self._address), SystemClock())

    def fail(self, rate: float, name: str = "") -> None:
        for one in [name] if name else list(self._wires):
            self._rates[one] = rate

    async def close(self) -> None:
        for wire in self._wires.values():
            await wire.close()

    def _choose(self, name: str, method: str) -> Fault | None:
        if self._rng.random() >= self._rates.get(name, 0.0):
            return None
        kinds = ("refuse", "lose", "lose", "late") if method in WRITES else ("refuse", "lose")
        seconds = self._rng.uniform(0, LATEST_SECONDS)
        fault = Fault(self._rng.choice(kinds), self._rng.choice(CODES), seconds)
        self._journal.write(
            "fault",
            fault=fault.kind,
            of=name,
            method=method,
            code=fault.code.name,
            mono=time.monotonic(),
        )
        return fault

"""One migration, killed with SIGKILL around its n-th call to a store, or at some moment.

Usage: crashing_migration.py SOURCE TARGET MARK before|after|moment|never NUMBER
A place is json:PATH or firestore:PROJECT; the last line of the output is a JSON object.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from emonk_ops.gcp.job_stores import READ_SECONDS, WRITE_SECONDS
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.migration.engine import Carriage, Limits
from emonk_ops.tick.migration.mark import MarkFile
from emonk_ops.tick.migration.sides import StoreSide
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place, Timeouts
from emonk_ops.tick.storage.json_file import JsonFileStorage


class Killer:
    """Counts the calls to both stores, and ends the process around one of them."""

    def __init__(self, when: str, number: float) -> None:
        self._when, self._number = when, number
        self.calls = 0
        if when == "moment":
            threading.Timer(number, self.kill).start()

    def kill(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def reached(self, when: str) -> None:
        self.calls += when == "before"
        if (when, self.calls) == (self._when, self._number):
            self.kill()


class Mortal:
    """A storage whose every call is a chance to die."""

    def __init__(self, storage: JobStorage, killer: Killer) -> None:
        self._storage, self._killer = storage, killer

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._storage, name)

        async def called(*given: Any) -> Any:
            self._killer.reached("before")
            answer = await call(*given)
            self._killer.reached("after")
            return answer

        return called


def storage_at(place: str) -> JobStorage:
    kind, _, where = place.partition(":")
    clock = SystemClock()
    if kind == "json":
        return JsonFileStorage(where, clock)
    database = Place(where, emulator=os.environ["FIRESTORE_EMULATOR_HOST"])
    return FirestoreStorage(database, clock, timeouts=Timeouts(READ_SECONDS, WRITE_SECONDS))


async def carry(source: str, target: str, mark: str, killer: Killer) -> dict[str, Any]:
    stores = storage_at(source), storage_at(target)
    for store in stores:
        await store.open()
    here, there = (StoreSide(Mortal(store, killer)) for store in stores)
    limits = Limits(quiet_seconds=0.0)
    marks = MarkFile(Path(mark))
    carriage = Carriage((source, here), (target, there), marks, SystemClock(), limits=limits)
    result = await carriage.run()
    for store in stores:
        await store.close()
    return result


if __name__ == "__main__":
    killer = Killer(sys.argv[4], float(sys.argv[5]))
    found = asyncio.run(carry(sys.argv[1], sys.argv[2], sys.argv[3], killer))
    sys.stdout.write(json.dumps({**found, "calls": killer.calls}) + "\n")
    sys.stdout.flush()
    os._exit(0)

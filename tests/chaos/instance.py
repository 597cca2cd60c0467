"""One instance of the service in a chaos run: the real one, with its collaborators handed in.

Usage: python -m tests.chaos.instance '{"name": "a", …}', with PORT and HOST in the environment.
No setting of the service reaches any of this.
"""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from emonk_ops.tick.__main__ import serve
from emonk_ops.tick.clock import Clock, SystemClock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings
from emonk_ops.tick.storage import JobStorage
from tests.chaos.defects import limits_with, planted
from tests.chaos.handlers import Worker
from tests.chaos.journal import Journal
from tests.chaos.points import Points
from tests.chaos.storages import Faulty, Recorder, rate_file


@dataclass(frozen=True)
class Instance:
    """What an instance is told. `tag` is its name and the number of its start.

    `place` is the path of a job file, or `project@host:port` of a Firestore. Times in seconds.
    """

    name: str
    tag: str
    folder: str
    seed: str
    storage: str
    place: str
    lease: float
    handler_timeout: float
    margin: float
    tick_budget: float
    claim_mode: str = "batch"
    skew: float = 0.0
    defect: str = ""
    concurrency: int = 8
    page: int = 12

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @property
    def limits(self) -> Limits:
        return Limits(
            lease_seconds=self.lease,
            handler_timeout_seconds=self.handler_timeout,
            tick_budget_seconds=self.tick_budget,
            margin_seconds=self.margin,
            concurrency=self.concurrency,
            page=self.page,
        )


class SkewedClock(SystemClock):
    """The machine's clock, wrong by some seconds. The monotonic one is right, as it always is."""

    def __init__(self, skew: float) -> None:
        self._skew = timedelta(seconds=skew)

    def now(self) -> datetime:
        return super().now() + self._skew


def storage_of(told: Instance, clock: Clock) -> JobStorage:
    """The store of the run, as the service would open it."""
    if told.storage == "json":
        from emonk_ops.tick.storage.json_file import JsonFileStorage

        return JsonFileStorage(told.place, clock)
    from emonk_ops.tick.storage.firestore import FirestoreStorage
    from emonk_ops.tick.storage.firestore_calls import Place, Timeouts

    project, _, address = told.place.partition("@")
    return FirestoreStorage(
        Place(project, emulator=address),
        clock,
        claim_mode=told.claim_mode,
        # Those of the service, unless the lease is too short for them.
        timeouts=Timeouts(read=min(4, told.lease / 2), write=min(5, told.lease / 2)),
    )


def service_of(told: Instance) -> TickService:
    """The service of this instance, with everything around its store that the run needs."""
    folder = Path(told.folder)
    journal = Journal(folder / "history.jsonl", tag=told.tag)
    points = Points(folder / "points", told.name, journal)
    clock = SkewedClock(told.skew)
    rng = random.Random(f"{told.seed}:{told.tag}")
    store = storage_of(told, clock)
    faulty = Faulty(store, journal, points, rng, rate_file(folder / "rate"))
    recorder = Recorder(faulty, journal, points)
    worker = Worker(journal, points, recorder.lease_of, told.seed)
    return TickService(
        read_settings(os.environ),
        clock=clock,
        storage=planted(told.defect, recorder, clock),
        registry=worker.registry(),
        limits=limits_with(told.defect, told.limits),
    )


if __name__ == "__main__":
    sys.exit(serve(service_of(Instance(**json.loads(sys.argv[1])))))

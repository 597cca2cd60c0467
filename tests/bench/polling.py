"""What a poll for 100 due jobs costs on the sandbox's Firestore, by how many jobs are stored.

The polls of both sizes take turns; prints medians in milliseconds and their ratio.
"""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from datetime import timedelta

from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import Write
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place
from tests.bench.stores import sandbox

DUE = 100
POLLS = 100


async def stored(address: str, count: int) -> FirestoreStorage:
    """A storage with 100 due jobs among `count`."""
    storage = FirestoreStorage(
        Place(f"bench-{secrets.token_hex(6)}", emulator=address), SystemClock()
    )
    await storage.open()
    now = await storage.clock()
    for start in range(0, count, 2_000):
        writes = []
        for number in range(start, min(start + 2_000, count)):
            at = now + timedelta(days=1, seconds=number)
            if number < DUE:
                at = now - timedelta(seconds=60 + number)
            job = Job(
                id=secrets.token_hex(10),
                type="nothing",
                schedule=Schedule.once(at),
                payload={"n": number},
                state=JobState.SCHEDULED,
                slot=at,
                due_at=at,
                created_at=now,
            )
            writes.append(Write(job, None))
        await storage.write(writes)
    return storage


async def compare(address: str, count: int) -> None:
    small, large = await stored(address, DUE), await stored(address, count)
    times: dict[str, list[float]] = {"small": [], "large": []}
    for _ in range(POLLS):
        for name, storage in (("small", small), ("large", large)):
            began = time.perf_counter()
            page = await storage.read_due(DUE)
            times[name].append(time.perf_counter() - began)
            assert len(page.jobs) == DUE
    few, many = (statistics.median(times[name]) * 1e3 for name in ("small", "large"))
    print(f"a poll of {DUE} due jobs among {DUE}: {few:.2f} ms, among {count}: {many:.2f} ms")
    print(f"ratio {many / few:.2f}")
    await small.close()
    await large.close()


def polling(count: int = 100_000) -> None:
    """Start a sandbox, and compare."""
    with sandbox() as own:
        asyncio.run(compare(own.address, count))

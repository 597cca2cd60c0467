from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import Outcome, Verdict, Write
from emonk_ops.tick.storage.job_log import PIECE
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.together import Together
from emonk_ops.tick.testing import ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Maker:
    """Says of each write what it is; refuses calls on demand."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.called = asyncio.Event()
        self.error: Exception | None = None

    async def make(self, writes: Sequence[str]) -> list[Outcome]:
        self.calls.append(list(writes))
        self.called.set()
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [Outcome(Verdict.OK, write) for write in writes]


async def test_callers_of_one_moment_share_a_call_and_get_their_own_outcomes() -> None:
    maker = Maker()
    together = Together(maker.make)
    found = await asyncio.gather(*(together.write(asked) for asked in (["a", "b"], [], ["c"])))
    assert maker.calls == [["a", "b", "c"]]
    assert [[one.version for one in own] for own in found] == [["a", "b"], [], ["c"]]


async def test_a_later_caller_gets_a_call_of_its_own() -> None:
    maker = Maker()
    together = Together(maker.make)
    await together.write(["a"])
    await together.write(["b"])
    assert maker.calls == [["a"], ["b"]]


async def test_what_the_call_raises_every_caller_gets_and_the_next_call_is_made_anew() -> None:
    maker = Maker()
    together = Together(maker.make)
    maker.error = ValueError("no luck")
    asked = [together.write([name]) for name in "ab"]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found == [maker.error, maker.error]
    maker.error = None
    assert await together.write(["c"]) == [Outcome(Verdict.OK, "c")]


async def test_a_caller_that_is_cancelled_keeps_nobody_from_the_outcomes() -> None:
    maker = Maker()
    together = Together(maker.make)
    first, second = (asyncio.create_task(together.write([name])) for name in "ab")
    await maker.called.wait()
    first.cancel()
    assert await second == [Outcome(Verdict.OK, "b")]
    assert maker.calls == [["a", "b"]]


async def test_a_file_larger_than_a_piece_is_read_back_whole(tmp_path: Path) -> None:
    now = datetime(2026, 1, 5, tzinfo=UTC)
    jobs = [
        Job(
            id=f"{number:04}",
            type="log",
            schedule=Schedule.once(now),
            payload={"text": "ü" * (number % 997)},
            state=JobState.SCHEDULED,
            slot=now,
            due_at=now,
            created_at=now,
        )
        for number in range(2000)
    ]
    path = tmp_path / "jobs.jsonl"
    for storage in (JsonFileStorage(path, ManualClock()), JsonFileStorage(path, ManualClock())):
        await storage.open()
        if not await storage.list_jobs(1):
            await storage.write([Write(job, None) for job in jobs])
        assert [stored.job for stored in await storage.list_jobs(len(jobs))] == jobs
        await storage.close()
    assert path.stat().st_size > 2 * PIECE

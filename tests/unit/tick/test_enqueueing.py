"""Dedup keys: the same key twice is one job; and no job is said to be stored when it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick.enqueueing import id_of
from emonk_ops.tick.errors import InvalidJob, JobConflict, StorageError
from emonk_ops.tick.jobs import Job
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import Outcome, Verdict, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock

pytestmark = pytest.mark.anyio
LATER = EPOCH + timedelta(hours=1)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Unsure(MemoryStorage):
    """Makes writes, or does not, and then says that it cannot tell."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.makes_it = True
        self.raises = False
        self.unsure = False

    async def write(self, batch: Sequence[Write]) -> tuple[Outcome, ...]:
        outcomes = await super().write(batch) if self.makes_it or not self.unsure else ()
        if not self.unsure:
            return outcomes
        if self.raises:
            raise StorageError("no answer", code="DEADLINE_EXCEEDED", transient=True)
        return tuple(Outcome(Verdict.UNCLEAR, code="ABORTED") for _ in batch)


@pytest.fixture
def storage() -> Unsure:
    return Unsure(ManualClock())


@pytest.fixture
def scheduler(storage: Unsure) -> CronScheduler:
    clock = ManualClock()
    return CronScheduler(storage, clock=clock, log=Log(clock, lambda _line: None))


async def put(scheduler: CronScheduler, **changes: Any) -> Job:
    wanted = {"job_type": "mail", "schedule_at": LATER, "payload": {"to": ["a"]}, **changes}
    return await scheduler.schedule_job(**wanted)


async def test_a_key_used_again_gives_the_job_that_is_there(scheduler: CronScheduler) -> None:
    first = await put(scheduler, dedup_key="order 7")
    again = await put(scheduler, dedup_key="order 7", schedule_at=LATER + timedelta(hours=1))
    assert again == first
    assert first.id == id_of("order 7")
    assert (await put(scheduler, dedup_key="order 8")).id != first.id


async def test_a_finished_job_still_answers_for_its_key(scheduler: CronScheduler) -> None:
    made = await put(scheduler, dedup_key="order 7")
    await scheduler.cancel(made.id)
    assert (await put(scheduler, dedup_key="order 7")).state == "cancelled"


async def test_of_many_at_once_one_job_comes(scheduler: CronScheduler) -> None:
    made = await asyncio.gather(*(put(scheduler, dedup_key="order 7") for _ in range(10)))
    assert len(set(map(str, made))) == 1
    assert len(await scheduler.engine.storage.list_jobs(10)) == 1


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"job_type": "print"}, "type 'mail', not 'print'"), ({"payload": {}}, "another payload")],
)
async def test_another_job_under_the_same_key_is_a_conflict(
    scheduler: CronScheduler, changes: dict[str, Any], word: str
) -> None:
    await put(scheduler, dedup_key="order 7")
    with pytest.raises(JobConflict, match=word):
        await put(scheduler, dedup_key="order 7", **changes)


async def test_a_payload_is_compared_as_it_is_stored(scheduler: CronScheduler) -> None:
    first = await put(scheduler, dedup_key="k", payload={"to": ("a", "b"), "n": {1: 2}})
    assert first.payload == {"to": ["a", "b"], "n": {"1": 2}}
    assert await put(scheduler, dedup_key="k", payload={"n": {"1": 2}, "to": ["a", "b"]}) == first


@pytest.mark.parametrize("key", ["", "x" * 501, "\ud800", 7])
async def test_what_is_no_key_is_refused(scheduler: CronScheduler, key: Any) -> None:
    with pytest.raises(InvalidJob, match="dedup_key"):
        await put(scheduler, dedup_key=key)


async def test_an_id_and_a_key_exclude_each_other(scheduler: CronScheduler) -> None:
    with pytest.raises(InvalidJob, match="exclude"):
        await put(scheduler, job_id="mine", dedup_key="k")


@pytest.mark.parametrize("raises", [False, True])
@pytest.mark.parametrize("dedup_key", [None, "k"])
async def test_a_job_whose_answer_was_lost_is_read_back(
    scheduler: CronScheduler, storage: Unsure, raises: bool, dedup_key: str | None
) -> None:
    storage.unsure, storage.raises = True, raises
    made = await put(scheduler, dedup_key=dedup_key)
    assert await scheduler.job(made.id) == made


@pytest.mark.parametrize("raises", [False, True])
async def test_a_job_that_was_not_stored_is_not_said_to_be(
    scheduler: CronScheduler, storage: Unsure, raises: bool
) -> None:
    storage.unsure, storage.raises, storage.makes_it = True, raises, False
    with pytest.raises(StorageError):
        await put(scheduler, dedup_key="k")
    storage.unsure = False
    assert (await put(scheduler, dedup_key="k")).id == id_of("k")

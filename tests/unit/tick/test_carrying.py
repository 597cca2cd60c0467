from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from emonk_ops.tick.carrying import export_jobs, import_jobs
from emonk_ops.tick.errors import ImportRefused
from emonk_ops.tick.jobs import Job, JobState, Lease, checksum
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.settlement import claim
from emonk_ops.tick.storage import JobStorage, Write
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import EPOCH, ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def job(job_id: str = "one", **fields: Any) -> Job:
    line = Schedule(line="*/5 * * * *")
    return replace(Job(job_id, "log", line, {}, JobState.SCHEDULED, EPOCH, EPOCH, EPOCH), **fields)


async def store_of(*jobs: Job) -> MemoryStorage:
    storage = MemoryStorage(ManualClock())
    await storage.write([Write(one, None) for one in jobs])
    return storage


async def only(storage: JobStorage) -> Job:
    (stored,) = await storage.list_jobs(10)
    return stored.job


async def test_more_jobs_than_a_page_are_all_carried() -> None:
    source = await store_of(*(job(f"job{number}") for number in range(1201)))
    target = await store_of()
    document = await export_jobs(source)
    taken = await import_jobs(target, document)
    assert (taken["imported"], taken["count"]) == (1201, 1201)
    assert taken["checksum"] == document["checksum"]


async def test_a_live_lease_is_carried_held_and_named() -> None:
    lease = Lease("x", "somebody", EPOCH + timedelta(minutes=5))
    source = await store_of(claim(job(), lease))
    document = await export_jobs(source)
    assert document["held"] == ["one"]
    target = await store_of()
    await import_jobs(target, document)
    assert (await target.read_due(10)).jobs == ()
    assert (await only(target)).lease == lease


@pytest.mark.parametrize(
    ("stored", "carried", "kept"),
    [
        ({"fence": 2}, {"fence": 1}, True),
        ({"fence": 1}, {"fence": 2}, False),
        ({"fence": 2, "slot": EPOCH + timedelta(hours=1)}, {"fence": 2}, True),
        ({"slot": EPOCH + timedelta(hours=1)}, {"slot": EPOCH}, False),
        ({"slot": EPOCH}, {"slot": EPOCH + timedelta(hours=1)}, False),
        ({"payload": {"old": 1}}, {"payload": {"new": 1}}, False),
    ],
)
async def test_a_stored_job_stays_only_where_it_is_newer(
    stored: dict[str, Any], carried: dict[str, Any], kept: bool
) -> None:
    target = await store_of(job(**stored))
    taken = await import_jobs(target, await export_jobs(await store_of(job(**carried))))
    assert (taken["kept_newer"], taken["imported"]) == (int(kept), int(not kept))
    assert await only(target) == job(**(stored if kept else carried))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": "emonk-jobs/9"}, "bad_format"),
        ({"jobs": "none"}, "bad_format"),
        ({"jobs": [1]}, "bad_format"),
        ({"count": 7}, "bad_count"),
        ({"checksum": "sha256:0"}, "bad_checksum"),
        ({"checksum": None}, "bad_checksum"),
        ({"jobs": [{"id": "one"}], "count": 1}, "bad_job"),
        ({"jobs": [{}], "count": 1}, "bad_job"),
        ({"jobs": [{"id": "\ud800"}], "count": 1}, "bad_job"),
    ],
)
async def test_a_document_that_is_not_whole_is_refused_and_writes_nothing(
    change: dict[str, Any], code: str
) -> None:
    document = {**await export_jobs(await store_of(job())), **change}
    target = await store_of()
    with pytest.raises(ImportRefused) as caught:
        await import_jobs(target, document)
    assert caught.value.code == code
    assert await target.list_jobs(10) == ()


async def test_a_job_that_is_there_twice_is_refused() -> None:
    written = [job().to_dict(), job(fence=1).to_dict()]
    document = {"format": "emonk-jobs/1", "jobs": written, "checksum": checksum(written)}
    with pytest.raises(ImportRefused, match="twice"):
        await import_jobs(await store_of(), document)

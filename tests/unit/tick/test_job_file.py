"""The job file after crashes, damage, other processes and much history."""

# ruff: noqa: ASYNC220, ASYNC240 - the file is what is tested, and nobody else waits
from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from emonk_ops.tick.errors import StorageDamaged, StorageError
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import DriverRecord, Lock, Stored, Verdict, Write
from emonk_ops.tick.storage.json_file import SLACK_RECORDS, JsonFileStorage
from emonk_ops.tick.testing import EPOCH, ManualClock

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "jobs.jsonl"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[JsonFileStorage]:
    storage = JsonFileStorage(path, ManualClock())
    await storage.open()
    yield storage
    await storage.close()


def job(job_id: str, seconds: int = 0) -> Job:
    slot = EPOCH + timedelta(seconds=seconds)
    return Job(job_id, "log", Schedule.once(slot), {}, JobState.SCHEDULED, slot, slot, EPOCH)


async def reopened(path: Path) -> JsonFileStorage:
    storage = JsonFileStorage(path, ManualClock())
    await storage.open()
    return storage


async def ids(storage: JsonFileStorage) -> list[str]:
    return [stored.job.id for stored in await storage.list_jobs(1000)]


async def test_jobs_and_driver_survive_the_process(storage: JsonFileStorage, path: Path) -> None:
    await storage.write([Write(job("a"), None), Write(job("b"), None)])
    await storage.set_driver(DriverRecord("cloud", 1, "r1"), 0)
    other = await reopened(path)
    assert await other.list_jobs(10) == await storage.list_jobs(10)
    assert await other.driver() == DriverRecord("cloud", 1, "r1")
    await other.close()


async def test_a_file_cut_anywhere_keeps_every_acknowledged_record_before_the_cut(
    storage: JsonFileStorage, path: Path
) -> None:
    for name in "abc":
        await storage.write([Write(job(name), None)])
    await storage.close()
    whole = path.read_bytes()
    ends = [number + 1 for number, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(ends[0], len(whole)):
        path.write_bytes(whole[:cut])
        again = await reopened(path)
        complete = sum(end <= cut for end in ends) - 1
        assert await ids(again) == list("abc")[:complete]
        assert again.dropped_records == (cut not in ends)
        await again.write([Write(job("z"), None)])
        await again.close()
        last = await reopened(path)
        assert await ids(last) == [*list("abc")[:complete], "z"]
        await last.close()


async def test_any_other_damage_is_refused_naming_the_line_and_nothing_is_overwritten(
    storage: JsonFileStorage, path: Path
) -> None:
    for name in "abc":
        await storage.write([Write(job(name), None)])
    await storage.close()
    whole = path.read_bytes()
    second = whole.index(b"\n") + 1
    for place in range(0, whole.rindex(b"\n"), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(StorageDamaged, match=r"line \d+: .*Nothing was overwritten"):
            await reopened(path)
        assert path.read_bytes() == damaged
    path.write_bytes(whole[:second] + b"\n" + whole[second:])
    with pytest.raises(StorageDamaged, match="line 2"):
        await reopened(path)


async def test_a_file_that_is_not_ours_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("precious")
    with pytest.raises(StorageDamaged, match="line 1"):
        await reopened(path)
    assert path.read_text() == "precious"


async def test_a_file_that_cannot_be_made_is_said_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="SCHEDULER_JSON_PATH"):
        await reopened(tmp_path / "file" / "jobs.jsonl")


async def test_a_file_that_vanishes_breaks_the_storage_rather_than_losing_jobs(
    storage: JsonFileStorage, path: Path
) -> None:
    path.unlink()
    with pytest.raises(StorageDamaged, match="has gone"):
        await storage.ping()
    with pytest.raises(StorageDamaged, match="has gone"):
        await storage.write([Write(job("a"), None)])


async def test_two_processes_see_each_others_writes(storage: JsonFileStorage, path: Path) -> None:
    other = await reopened(path)
    await storage.write([Write(job("a"), None)])
    (seen,) = await other.get(["a"])
    assert seen is not None
    (won,) = await other.write([Write(replace(seen.job, fence=1), seen.version)])
    (lost,) = await storage.write([Write(replace(seen.job, fence=9), seen.version)])
    assert (won.verdict, lost.verdict) == (Verdict.OK, Verdict.CONFLICT)
    await other.close()


async def test_history_is_compacted_and_other_processes_follow(
    storage: JsonFileStorage, path: Path
) -> None:
    other = await reopened(path)
    await storage.set_driver(DriverRecord("cloud", 1, "r1"), 0)
    (outcome,) = await storage.write([Write(job("a"), None)])
    held = Stored(job("a"), outcome.version)
    for number in range(SLACK_RECORDS + 50):
        changed = replace(held.job, fence=number)
        (outcome,) = await storage.write([Write(changed, held.version)])
        held = Stored(changed, outcome.version)
    assert path.read_bytes().count(b"\n") < SLACK_RECORDS
    assert await other.get(["a"]) == (held,)
    assert await other.driver() == DriverRecord("cloud", 1, "r1")
    (outcome,) = await other.write([Write(job("b"), None)])
    assert int(outcome.version) > int(held.version)
    assert await ids(storage) == ["a", "b"]
    await other.close()


async def test_concurrency_keys_survive_the_process_and_the_compaction_while_they_are_held(
    storage: JsonFileStorage, path: Path
) -> None:
    later = EPOCH + timedelta(minutes=5)
    mine, old, freed = Lock("k", "mine", later), Lock("old", "mine", EPOCH), Lock("f", "x", later)
    await storage.lock([mine, old, freed])
    await storage.unlock([freed])
    other = await reopened(path)
    assert await other.lock([Lock(key, "other", later) for key in ("k", "f")]) == (
        None,
        Lock("f", "other", later),
    )
    await storage.write([Write(job("a"), None)])
    (held,) = await storage.get(["a"])
    for number in range(SLACK_RECORDS + 50):
        assert held is not None
        changed = replace(held.job, fence=number)
        (outcome,) = await storage.write([Write(changed, held.version)])
        held = Stored(changed, outcome.version)
    assert b'"holder":"mine"' in path.read_bytes()
    assert b'"key":"old"' not in path.read_bytes()
    third = await reopened(path)
    assert await third.lock([Lock("k", "third", later)]) == (None,)
    await other.close()
    await third.close()


async def test_a_lock_held_by_another_process_is_waited_for_and_then_reported(
    storage: JsonFileStorage, path: Path
) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import fcntl, sys\n"
            f"file = open({str(path) + '.lock'!r})\n"
            "fcntl.flock(file, fcntl.LOCK_EX)\n"
            "print('held', flush=True)\n"
            "sys.stdin.read()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(StorageError, match="locked by another process"):
        await storage.ping()
    holder.communicate()
    await storage.ping()

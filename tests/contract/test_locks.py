"""Concurrency keys: what every job storage has to do with them, on each implementation."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from emonk_ops.tick.storage import JobStorage, Lock

pytestmark = pytest.mark.anyio
LONG = timedelta(minutes=5)


class StoreTime(Protocol):
    async def reach(self, when: datetime) -> None: ...


async def test_a_free_key_is_taken_and_a_held_one_is_not(
    storage: JobStorage, now: datetime
) -> None:
    mine, other = Lock("a/b ü", "mine", now + LONG), Lock("a/b ü", "other", now + LONG)
    (held,) = await storage.lock([mine])
    assert held is not None
    assert (held.key, held.holder, held.until) == (mine.key, mine.holder, mine.until)
    assert await storage.lock([other]) == (None,)
    (free,) = await storage.lock([Lock("another", "other", now + LONG)])
    assert free is not None


async def test_a_key_that_was_given_back_is_free(storage: JobStorage, now: datetime) -> None:
    (held,) = await storage.lock([Lock("k", "mine", now + LONG)])
    assert held is not None
    await storage.unlock([held])
    (again,) = await storage.lock([Lock("k", "other", now + LONG)])
    assert again is not None
    assert again.holder == "other"


async def test_a_key_may_be_given_back_by_its_holders_name_alone(
    storage: JobStorage, now: datetime
) -> None:
    await storage.lock([Lock("k", "mine", now + LONG), Lock("l", "other", now + LONG)])
    await storage.unlock([Lock("k", "mine", now), Lock("l", "mine", now), Lock("m", "mine", now)])
    taken = await storage.lock([Lock(key, "third", now + LONG) for key in "klm"])
    assert [lock is not None for lock in taken] == [True, False, True]


async def test_nobody_gives_back_what_another_took_meanwhile(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    (old,) = await storage.lock([Lock("k", "mine", now + timedelta(seconds=1))])
    await time.reach(now + timedelta(seconds=1))
    (taken,) = await storage.lock([Lock("k", "other", now + LONG)])
    assert old is not None
    assert taken is not None
    await storage.unlock([old])
    assert await storage.lock([Lock("k", "third", now + LONG)]) == (None,)


async def test_the_key_of_a_crashed_holder_is_free_at_the_end_of_its_lease(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    until = now + timedelta(seconds=2)
    await storage.lock([Lock("k", "crashed", until)])
    assert await storage.lock([Lock("k", "other", now + LONG)]) == (None,)
    await time.reach(until)
    rivals = [storage.lock([Lock("k", f"rival{n}", now + LONG)]) for n in range(8)]
    taken = [lock for (lock,) in await asyncio.gather(*rivals)]
    assert sum(lock is not None for lock in taken) == 1


async def test_its_holder_prolongs_a_lock(
    storage: JobStorage, now: datetime, time: StoreTime
) -> None:
    (held,) = await storage.lock([Lock("k", "mine", now + timedelta(seconds=1))])
    assert held is not None
    (longer,) = await storage.lock([Lock("k", "mine", now + LONG, held.version)])
    assert longer is not None
    assert longer.until == now + LONG
    await time.reach(now + timedelta(seconds=1))
    assert await storage.lock([Lock("k", "other", now + LONG)]) == (None,)
    (same,) = await storage.lock([Lock("k", "mine", now + LONG)])
    assert same is not None
    await storage.unlock([same])
    (free,) = await storage.lock([Lock("k", "other", now + LONG)])
    assert free is not None


async def test_of_two_for_one_key_in_a_batch_the_first_has_it(
    storage: JobStorage, now: datetime
) -> None:
    wanted = [Lock(key, f"h{n}", now + LONG) for n, key in enumerate("kkl")]
    taken = await storage.lock(wanted)
    assert [lock and lock.holder for lock in taken] == ["h0", None, "h2"]
    assert await storage.lock([]) == ()
    await storage.unlock([])


async def test_of_many_rivals_for_a_free_key_exactly_one_has_it(
    storage: JobStorage, now: datetime
) -> None:
    rivals = [storage.lock([Lock("k", f"h{n}", now + LONG)]) for n in range(20)]
    taken = [lock for (lock,) in await asyncio.gather(*rivals)]
    assert sum(lock is not None for lock in taken) == 1


async def test_locks_are_no_jobs(storage: JobStorage, now: datetime) -> None:
    await storage.lock([Lock("k", "mine", now - LONG), Lock("l", "mine", now + LONG)])
    assert await storage.list_jobs(10) == ()
    assert (await storage.read_due(10)).jobs == ()
    assert await storage.count_leases() == 0

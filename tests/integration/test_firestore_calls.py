"""What a tick asks of Firestore, counted: calls by method, documents read and written."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from emonk_ops.tick.billing import open_bill
from emonk_ops.tick.clock import SystemClock
from emonk_ops.tick.engine import Limits
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.jobs import Job, JobState
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.schedules import Schedule
from emonk_ops.tick.storage import Verdict, Write
from emonk_ops.tick.storage.firestore import FirestoreStorage
from emonk_ops.tick.storage.firestore_calls import Place
from emonk_ops.tick.ticks import TickReport

pytestmark = pytest.mark.anyio
DUE = 100


@pytest.fixture
async def storage(firestore_address: str) -> AsyncIterator[FirestoreStorage]:
    place = Place(f"test-{secrets.token_hex(6)}", emulator=firestore_address)
    store = FirestoreStorage(place, SystemClock())
    await store.open()
    yield store
    await store.close()


async def store_jobs(storage: FirestoreStorage, count: int, seconds: float) -> None:
    now = await storage.clock()
    at = now + timedelta(seconds=seconds)
    jobs = [
        Job(
            id=f"{seconds:g}-{number}".replace("-", "x"),
            type="nothing",
            schedule=Schedule.once(at),
            payload={},
            state=JobState.SCHEDULED,
            slot=at,
            due_at=at,
            created_at=now,
        )
        for number in range(count)
    ]
    outcomes = await storage.write([Write(job, None) for job in jobs])
    assert {outcome.verdict for outcome in outcomes} == {Verdict.OK}


async def tick(
    storage: FirestoreStorage, concurrency: int = DUE
) -> tuple[TickReport, Counter[str]]:
    """The report of one tick, and the calls made in it once the driver was known."""
    registry = HandlerRegistry()

    @registry.handler("nothing")
    async def nothing(_context: HandlerContext) -> None:
        return

    clock = SystemClock()
    scheduler = CronScheduler(
        storage,
        clock=clock,
        log=Log(clock, lambda line: None),
        registry=registry,
        limits=Limits(concurrency=concurrency),
    )
    await scheduler.engine.driver.begin()
    storage.calls.counts.clear()
    report = await scheduler.run_tick()
    calls = Counter(storage.calls.counts)
    # On a slow machine a tick outlives its trust in the driver's record, and reads it again.
    del calls["BatchGetDocuments"]
    return report, calls


async def test_a_round_over_a_hundred_due_jobs_is_one_query_one_claim_and_one_commit(
    storage: FirestoreStorage,
) -> None:
    await store_jobs(storage, DUE, -1)
    report, calls = await tick(storage)
    assert report.jobs_succeeded == DUE
    assert calls == {"RunQuery": 1, "BatchWrite": 2}


async def test_each_round_of_free_handlers_is_one_call_that_takes_the_last_one_s_results_along(
    storage: FirestoreStorage,
) -> None:
    await store_jobs(storage, DUE, -1)
    report, calls = await tick(storage, concurrency=20)
    assert report.jobs_succeeded == DUE
    assert calls["RunQuery"] == 1
    # The last results have no claims to go with, nor have those that a slow machine parts from
    # them by reading the driver's record again.
    alone = 1 + storage.calls.counts["BatchGetDocuments"]
    assert DUE / 20 < calls["BatchWrite"] <= DUE / 20 + alone


async def test_a_tick_with_nothing_due_costs_one_query(storage: FirestoreStorage) -> None:
    await store_jobs(storage, 10, 3600)
    report, calls = await tick(storage)
    assert (report.storage_reads, report.storage_writes) == (1, 0)
    assert calls == {"RunQuery": 1}


async def test_reads_and_writes_do_not_change_with_what_is_stored(
    storage: FirestoreStorage,
) -> None:
    await store_jobs(storage, DUE, -1)
    small, small_calls = await tick(storage)
    await store_jobs(storage, 900, 3600)
    await store_jobs(storage, DUE, -2)
    large, large_calls = await tick(storage)
    assert (small.storage_reads, small.storage_writes) == (DUE, 2 * DUE)
    assert (large.storage_reads, large.storage_writes) == (DUE, 2 * DUE)
    assert small_calls == large_calls


async def test_the_bill_of_a_tick_has_everything_that_firestore_charges_for(
    storage: FirestoreStorage,
) -> None:
    await store_jobs(storage, DUE, -1)
    busy, _ = await tick(storage)
    assert busy.billed_writes == busy.storage_writes == 2 * DUE
    # Beside the jobs, the record of the driver was read if it was a second old.
    assert DUE <= busy.billed_reads <= DUE + 2
    storage.calls.counts.clear()
    bill = open_bill()
    await storage.driver()
    await storage.read_due(10)
    await storage.get(["none", "neither"])
    assert (bill.reads, bill.writes) == (4, 0)


async def test_a_transaction_bills_its_read_too(firestore_address: str) -> None:
    place = Place(f"test-{secrets.token_hex(6)}", emulator=firestore_address)
    storage = FirestoreStorage(place, SystemClock(), claim_mode="transaction")
    await storage.open()
    try:
        await store_jobs(storage, 3, -1)
        (stored, *_) = (await storage.read_due(1)).jobs
        bill = open_bill()
        await storage.write([Write(replace(stored.job, attempt=1), stored.version)])
        assert (bill.reads, bill.writes) == (1, 1)
    finally:
        await storage.close()


async def test_bills_of_ticks_side_by_side_are_kept_apart(storage: FirestoreStorage) -> None:
    async def asks(times: int) -> int:
        bill = open_bill()
        for _ in range(times):
            await storage.driver()
        return bill.reads

    tasks = [asyncio.create_task(asks(times)) for times in (1, 5, 3)]
    assert [await task for task in tasks] == [1, 5, 3]

"""Other schedulers over the same work, each as its own documentation sets it up."""

from __future__ import annotations

import asyncio
import itertools
import pickle
import tempfile
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bench.jobs import DUE, IN_A_DAY
from tests.bench.measuring import Figures, measured

THREADS = 10
POLL_SECONDS = 0.001
WARM_UP = 300
_ran = itertools.count(1)
_all_ran = {WARM_UP: threading.Event()}


def nothing() -> None:
    """What every job of APScheduler does; the last of the warm-up and the last of all say so."""
    ended = _all_ran.get(next(_ran))
    if ended is not None:
        ended.set()


def apscheduler(*, count: int, stored: int = 0) -> Figures:
    """APScheduler 3 on SQLite with WAL and synchronous NORMAL, ten threads."""
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler
    from sqlalchemy import create_engine, event, text

    _all_ran[WARM_UP + count] = threading.Event()
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{Path(folder) / 'jobs.sqlite'}")

        def faster(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        event.listen(engine, "connect", faster)
        store = SQLAlchemyJobStore(engine=engine)
        scheduler = BackgroundScheduler(
            jobstores={"default": store},
            executors={"default": ThreadPoolExecutor(THREADS)},
            timezone=UTC,
        )
        scheduler.start(paused=True)
        left = text("SELECT count(*) FROM apscheduler_jobs WHERE next_run_time <= :now")

        def drain(through: int) -> int:
            scheduler.resume()
            _all_ran[through].wait()
            while True:
                with engine.connect() as connection:
                    if not connection.execute(left, {"now": time.time()}).scalar():
                        return count
                time.sleep(POLL_SECONDS)

        _insert(scheduler, store, stored, datetime.now(UTC) + IN_A_DAY)
        _insert(scheduler, store, WARM_UP, datetime.now(UTC) + 2 * DUE)
        drain(WARM_UP)
        scheduler.pause()
        _insert(scheduler, store, count, datetime.now(UTC) + DUE)
        found = measured(lambda: drain(WARM_UP + count))
        scheduler.shutdown()
        engine.dispose()
    return found


def _insert(scheduler: Any, store: Any, count: int, at: datetime) -> None:
    from apscheduler.job import Job
    from apscheduler.triggers.date import DateTrigger

    rows = []
    for number in range(count):
        job = Job(
            scheduler,
            id=f"{at.timestamp():.0f}-{number}",
            func=nothing,
            args=(),
            kwargs={},
            name="nothing",
            executor="default",
            trigger=DateTrigger(at),
            misfire_grace_time=None,
            coalesce=True,
            max_instances=1,
            next_run_time=at,
        )
        state = pickle.dumps(job.__getstate__(), pickle.HIGHEST_PROTOCOL)
        rows.append({"id": job.id, "next_run_time": at.timestamp(), "job_state": state})
    if rows:
        with store.engine.begin() as connection:
            connection.execute(store.jobs_t.insert(), rows)


def procrastinate(*, count: int, stored: int = 0, conninfo: str, store: int) -> Figures:
    """procrastinate on PostgreSQL, as many jobs at once as connections, until nothing is due."""
    from procrastinate import App, PsycopgConnector

    app = App(connector=PsycopgConnector(conninfo=conninfo, min_size=THREADS, max_size=THREADS))

    async def nothing_at_all() -> None:
        return

    noop = app.task(name="nothing")(nothing_at_all)

    async def begin() -> None:
        await app.open_async()
        await app.schema_manager.apply_schema_async()
        later = noop.configure(schedule_at=datetime.now(UTC) + timedelta(days=1))
        for begun in range(0, stored, 1000):
            await later.batch_defer_async(*[{}] * min(1000, stored - begun))
        await defer(WARM_UP)
        await work()
        await defer(count)

    async def defer(number: int) -> None:
        for begun in range(0, number, 1000):
            await noop.batch_defer_async(*[{}] * min(1000, number - begun))

    async def work() -> None:
        await app.run_worker_async(
            concurrency=THREADS, wait=False, delete_jobs="never", install_signal_handlers=False
        )

    async def finished() -> int:
        query = "SELECT count(*) AS n FROM procrastinate_jobs WHERE status = 'succeeded'"
        row = await app.connector.execute_query_one_async(query)
        return int(row["n"])

    with asyncio.Runner() as runner:
        runner.run(begin())

        def drain() -> int:
            runner.run(work())
            return runner.run(finished()) - WARM_UP

        found = measured(drain, store)
        runner.run(app.close_async())
    return found

"""What handlers return, raise and are given may be anything; the ticks and the siblings go on."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from emonk_ops.tick.engine import Limits
from emonk_ops.tick.errors import InvalidJob, TickError
from emonk_ops.tick.handlers import HandlerContext, HandlerRegistry
from emonk_ops.tick.logs import Log
from emonk_ops.tick.scheduler import CronScheduler
from emonk_ops.tick.storage import JobStorage
from emonk_ops.tick.storage.json_file import JsonFileStorage
from emonk_ops.tick.storage.memory import MemoryStorage
from emonk_ops.tick.testing import ManualClock
from emonk_ops.tick.texts import encodable, plain_json, said_by

LONE = "\udcff"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Speechless(Exception):
    """Cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Bench:
    """A scheduler with a good handler and one whose end is `end`."""

    def __init__(self, storage: JobStorage, clock: ManualClock) -> None:
        self.clock = clock
        self.lines: list[str] = []
        self.end: Any = None
        registry = HandlerRegistry()
        registry.handler("good")(self._good)
        registry.handler("odd")(self._odd)
        self.scheduler = CronScheduler(
            storage,
            clock=clock,
            log=Log(clock, self.lines.append),
            registry=registry,
            limits=Limits(concurrency=5, page=10),
            rng=random.Random(1),
        )

    async def _good(self, context: HandlerContext) -> dict[str, Any]:
        return {"slot_of": context.job_id}

    async def _odd(self, context: HandlerContext) -> Any:
        await context.once(f"effect {LONE}")
        if isinstance(self.end, Exception):
            raise self.end
        return self.end

    async def schedule(self, job_id: str, job_type: str, **fields: Any) -> None:
        await self.scheduler.schedule_job(
            job_type=job_type, schedule_at=self.clock.now(), job_id=job_id, **fields
        )


@pytest.fixture(params=["memory", "json"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = ManualClock()
    storage: JobStorage = MemoryStorage(clock)
    if request.param == "json":
        storage = JsonFileStorage(tmp_path / "jobs", clock)
    await storage.open()
    bench = Bench(storage, clock)
    await bench.scheduler.engine.driver.begin()
    yield bench
    await storage.close()


def circular() -> dict[str, Any]:
    ring: dict[str, Any] = {}
    ring["self"] = ring
    return ring


ODD_ENDS = (
    ({"at": datetime(2026, 1, 5, tzinfo=UTC)}, "InvalidResult: the handler's result is not JSON"),
    ({"x": float("nan")}, "InvalidResult"),
    ({"x": LONE}, r"half of a surrogate pair"),
    ("done", "a str is no JSON object"),
    (circular(), "InvalidResult"),
    (ValueError(f"no such file: {LONE}"), "ValueError: no such file: \ufffd"),
    (Speechless(), "Speechless: its text cannot be told: RuntimeError"),
)


@pytest.mark.anyio
@pytest.mark.parametrize(("end", "reason"), ODD_ENDS)
async def test_one_jobs_unwritable_end_fails_that_job_alone(
    bench: Bench, end: Any, reason: str
) -> None:
    bench.end = end
    await bench.schedule("a", "good")
    await bench.schedule("odd", "odd", max_attempts=2)
    await bench.schedule("z", "good")
    report = await bench.scheduler.run_tick()
    assert (report.jobs_executed, report.jobs_succeeded, report.jobs_failed) == (3, 2, 1)
    for name in ("a", "z"):
        assert (await bench.scheduler.job(name)).recent[-1].result == {"slot_of": name}
    odd = await bench.scheduler.job("odd")
    assert odd.recent[-1].outcome == "failed"
    assert reason in odd.recent[-1].reason
    await bench.clock.advance(301)
    await bench.scheduler.run_tick()
    assert (await bench.scheduler.job("odd")).state == "dead"
    for line in bench.lines:
        json.loads(line.encode())


@pytest.mark.anyio
async def test_a_result_is_recorded_as_json_gives_it_back(bench: Bench) -> None:
    bench.end = {"pair": (1, 2), 3: "three"}
    await bench.schedule("odd", "odd")
    assert (await bench.scheduler.run_tick()).jobs_succeeded == 1
    odd = await bench.scheduler.job("odd")
    assert odd.recent[-1].result == {"pair": [1, 2], "3": "three"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"payload": {"x": "\ud800"}}, r"U\+D800, half of a surrogate pair"),
        ({"payload": {"\ud800": 1}}, r"U\+D800, half of a surrogate pair"),
        ({"payload": {"x": float("inf")}}, "payload is not JSON"),
        ({"payload": ["x"]}, "a list is no JSON object"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds=nan"),
        ({"job_id": "\ud800"}, "cannot be a job id"),
        ({"job_type": "\ud800"}, "type '\ufffd' cannot be encoded"),
    ],
)
async def test_what_cannot_be_written_is_refused_in_words_at_schedule_time(
    bench: Bench, fields: dict[str, Any], said: str
) -> None:
    described = {"job_type": "good", "schedule_at": bench.clock.now(), **fields}
    with pytest.raises(InvalidJob, match=said) as caught:
        await bench.scheduler.schedule_job(**described)
    str(caught.value).encode()


def test_an_error_that_quotes_half_a_pair_can_be_answered() -> None:
    error = TickError(f"no job '{LONE}'.", hint=f"Not '{LONE}'.")
    assert str(error) == "no job '\ufffd'. Not '\ufffd'."
    assert (error.message + error.hint).isprintable()


def test_texts_without_half_pairs_stay_as_they_are() -> None:
    assert encodable("ü 😀 \ufffd") == "ü 😀 \ufffd"
    assert said_by(ValueError("ü")) == "ü"
    assert plain_json({"a": ["ü", {"b": None}]}) == {"a": ["ü", {"b": None}]}

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import logging as cloud_logging
from google.cloud.logging_v2 import _gapic
from google.cloud.logging_v2.services.logging_service_v2 import (
    LoggingServiceV2AsyncClient,
    LoggingServiceV2Client,
)
from google.cloud.logging_v2.types import LogEntry, TailLogEntriesRequest
from google.rpc import status_pb2

from emonk_ops.sandbox.server import Sandbox

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
PROJECT = "projects/emonk-qa"
LOG = f"{PROJECT}/logs/run.googleapis.com%2Fstdout"
RESOURCE = {"type": "cloud_run_revision", "labels": {"service_name": "emonk-agent"}}


class Scene:
    """A sandbox with Logging alone, and Google's asynchronous client on it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.channel = grpc.aio.insecure_channel(sandbox.world.grpc_address)
        transport = LoggingServiceV2AsyncClient.get_transport_class("grpc_asyncio")
        self.client: Any = LoggingServiceV2AsyncClient(transport=transport(channel=self.channel))

    async def write(self, *entries: dict[str, Any], **request: Any) -> Any:
        whole = {"log_name": LOG, "resource": RESOURCE, "entries": list(entries)} | request
        return await self.client.write_log_entries(request=whole, timeout=5, retry=None)

    async def found(self, query: str = "", **request: Any) -> list[Any]:
        whole = {"resource_names": [PROJECT], "filter": query} | request
        return [
            entry
            async for entry in await self.client.list_log_entries(
                request=whole, timeout=10, retry=None
            )
        ]

    async def texts(self, query: str = "", **request: Any) -> list[str]:
        return [entry.text_payload for entry in await self.found(query, **request)]


@contextlib.asynccontextmanager
async def scene(directory: Path) -> AsyncIterator[Scene]:
    async with Sandbox(
        directory, clock="virtual", start=START, populate=False, apis=("logging",)
    ) as sandbox:
        stage = Scene(sandbox)
        async with stage.channel:
            yield stage


Play = Callable[[Scene], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Play], None]:
    def run(what: Play) -> None:
        async def whole() -> None:
            async with scene(tmp_path) as stage:
                await what(stage)

        asyncio.run(whole())

    return run


def text(value: str, second: float = 0, **fields: Any) -> dict[str, Any]:
    return {"text_payload": value, "timestamp": START + timedelta(seconds=second)} | fields


def test_an_entry_is_completed_from_its_request_and_stamped(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(
            {"text_payload": "one", "labels": {"a": "own"}},
            {"json_payload": {"message": "two", "n": 1}, "severity": "ERROR"},
            labels={"a": "request", "b": "request"},
        )
        one, two = await stage.found()
        assert one.text_payload == "one"
        assert one.log_name == LOG
        labels = {"service_name": "emonk-agent", "project_id": "emonk-qa"}
        assert dict(one.resource.labels) == labels
        assert dict(one.labels) == {"a": "own", "b": "request"}
        assert one.timestamp == one.receive_timestamp == START
        assert one.insert_id < two.insert_id
        assert two.json_payload["message"] == "two"

    play(story)


def test_entries_come_in_time_order_filtered_and_in_pages(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(*[text(f"line {n}", n % 60, severity=100 * (n % 8)) for n in range(120)])
        lines = await stage.found(page_size=7)
        assert len(lines) == 120
        assert [e.timestamp for e in lines] == sorted(e.timestamp for e in lines)
        newest = await stage.texts("severity>=WARNING", order_by="timestamp desc", page_size=9)
        assert newest[0] == "line 119"
        assert len(newest) == 60
        since = f'timestamp>="{(START + timedelta(seconds=58)).isoformat()}"'
        assert await stage.texts(since) == ["line 58", "line 118", "line 59", "line 119"]
        pager = await stage.client.list_log_entries(request={"resource_names": [PROJECT]})
        assert len([page async for page in pager.pages]) == 3

    play(story)


def test_the_same_log_timestamp_and_insert_id_is_one_entry(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(text("once", insert_id="x"), text("again", insert_id="x"))
        await stage.write(text("later", 1, insert_id="x"), text("once more", insert_id="x"))
        assert await stage.texts() == ["once", "later"]

    play(story)


def test_other_projects_are_not_seen(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(text("qa"))
        await stage.write(text("production", 1), log_name="projects/emonk-production/logs/x")
        assert await stage.texts() == ["qa"]
        both = [PROJECT, "projects/emonk-production"]
        assert await stage.texts(resource_names=both) == ["qa", "production"]
        view = f"{PROJECT}/locations/global/buckets/_Default/views/_AllLogs"
        assert await stage.texts(resource_names=[view]) == ["qa"]

    play(story)


def test_a_long_search_answers_an_empty_page_with_a_token(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(*[text(f"line {n}", n) for n in range(1200)])
        logs: Any = stage.sandbox.world.logs
        page = await logs.page(["emonk-qa"], '"line 1199"', size=5, scan=500)
        assert page.entries == []
        assert page.cursor is not None
        while page.cursor is not None:
            page = await logs.page(["emonk-qa"], '"line 1199"', size=5, scan=500, after=page.cursor)
        assert [entry.text_payload for entry in page.entries] == ["line 1199"]

    play(story)


def test_a_bad_entry_refuses_the_batch_unless_partial_success(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        bad = text("bad", log_name="projects/emonk-qa/logs/not/encoded")
        with pytest.raises(exceptions.InvalidArgument, match="Invalid log name"):
            await stage.write(text("good"), bad)
        assert await stage.texts() == []
        with pytest.raises(exceptions.InvalidArgument) as caught:
            await stage.write(text("good"), bad, partial_success=True)
        trailers = dict(caught.value.errors[0].trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        assert status.details[0].type_url.endswith("WriteLogEntriesPartialErrors")
        assert await stage.texts() == ["good"]
        await stage.write(text("dry", 5), dry_run=True)
        assert await stage.texts() == ["good"]

    play(story)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"log_name": "logs/x"}, "Invalid log name 'logs/x'"),
        ({"log_name": f"{PROJECT}/logs/a%20b"}, "Invalid log id 'a b'"),
        ({"resource": {"labels": {"a": "b"}}}, "A monitored resource must be specified"),
    ],
)
def test_a_bad_entry_is_refused(
    play: Callable[[Play], None], entry: dict[str, Any], said: str
) -> None:
    async def story(stage: Scene) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            await stage.write(text("bad", **entry))
        assert said in str(caught.value)

    play(story)


@pytest.mark.parametrize(
    ("request_fields", "said"),
    [
        ({"resource_names": []}, "resource_names"),
        ({"resource_names": ["folders/1"]}, "Invalid resource name 'folders/1'"),
        ({"order_by": "severity"}, "only 'timestamp asc' and 'timestamp desc'"),
        ({"filter": "severity>="}, "Unparseable filter: syntax error at line 1, column 11"),
        ({"filter": "thud=1"}, "Unparseable filter: Field not found: 'thud'"),
        ({"page_token": "rubbish"}, "page_token is invalid"),
        ({"page_size": -1}, "page_size must not be negative"),
    ],
)
def test_a_bad_list_request_is_refused(
    play: Callable[[Play], None], request_fields: dict[str, Any], said: str
) -> None:
    async def story(stage: Scene) -> None:
        with pytest.raises(exceptions.InvalidArgument) as caught:
            await stage.found(**request_fields)
        assert said in str(caught.value)

    play(story)


def test_a_page_token_belongs_to_its_request(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(*[text(f"line {n}", n) for n in range(3)])
        pager = await stage.client.list_log_entries(
            request={"resource_names": [PROJECT], "page_size": 1}
        )
        with pytest.raises(exceptions.InvalidArgument, match="does not match the other param"):
            await stage.found("severity>=ERROR", page_token=pager.next_page_token)

    play(story)


def test_logs_are_listed_and_deleted(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(text("a"))
        await stage.write(text("b"), log_name=f"{PROJECT}/logs/other")
        names = [name async for name in await stage.client.list_logs(parent=PROJECT)]
        assert names == [f"{PROJECT}/logs/other", LOG]
        await stage.client.delete_log(log_name=LOG, timeout=5, retry=None)
        assert await stage.texts() == ["b"]
        with pytest.raises(exceptions.NotFound, match="does not exist"):
            await stage.client.delete_log(log_name=LOG, timeout=5, retry=None)

    play(story)


def test_entries_outlive_the_sandbox(tmp_path: Path) -> None:
    async def story() -> None:
        async with scene(tmp_path) as stage:
            await stage.write({"text_payload": "before"})
        async with scene(tmp_path) as stage:
            await stage.write({"text_payload": "after"})
            assert await stage.texts() == ["before", "after"]
            await stage.sandbox.apis["logging"].reset()
            assert await stage.texts() == []

    asyncio.run(story())


class Tail:
    """One open tail: `asks` sends further requests, `next` reads an answer."""

    def __init__(self, stage: Scene, **request: Any) -> None:
        self._stage = stage
        self._asked: asyncio.Queue[TailLogEntriesRequest] = asyncio.Queue()
        self.ask(**request)
        self._call: Any = None
        self._answers: Any = None

    def ask(self, query: str = "", buffer: float = 0) -> None:
        self._asked.put_nowait(
            TailLogEntriesRequest(
                resource_names=[PROJECT], filter=query, buffer_window=timedelta(seconds=buffer)
            )
        )

    async def _requests(self) -> AsyncIterator[TailLogEntriesRequest]:
        while True:
            yield await self._asked.get()

    async def open(self) -> Tail:
        self._call = await self._stage.client.tail_log_entries(
            requests=self._requests(), timeout=30
        )
        self._answers = aiter(self._call)
        return self

    def close(self) -> None:
        self._call.cancel()

    async def next(self) -> Any:
        return await asyncio.wait_for(anext(self._answers), 10)


async def listening(stage: Scene, count: int) -> None:
    logs: Any = stage.sandbox.world.logs
    async with asyncio.timeout(10):
        while logs.listeners != count:  # noqa: ASYNC110 - a client cannot see its tail open
            await asyncio.sleep(0)


def test_a_tail_gets_new_entries_that_match_in_time_order(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        await stage.write(text("before"))
        tail = await Tail(stage, query="severity>=ERROR").open()
        await listening(stage, 1)
        await stage.write(
            text("late", 5, severity="ERROR"), text("quiet"), text("early", 1, severity="ALERT")
        )
        answer = await tail.next()
        assert [entry.text_payload for entry in answer.entries] == ["early", "late"]
        assert not answer.suppression_info

    play(story)


def test_a_later_request_changes_what_is_tailed(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        tail = await Tail(stage, query='"never"').open()
        await listening(stage, 1)
        tail.ask(query='"wanted"')
        found: list[str] = []
        for number in range(200):
            await stage.write(text(f"wanted {number}", number))
            with contextlib.suppress(TimeoutError):
                answer = await asyncio.wait_for(asyncio.shield(tail.next()), 0.05)
                found.extend(entry.text_payload for entry in answer.entries)
                break
        assert found

    play(story)


def test_a_tail_that_is_too_slow_is_told_what_it_lost(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        tail = await Tail(stage).open()
        await listening(stage, 1)
        logs: Any = stage.sandbox.world.logs
        raw = [LogEntry.pb(LogEntry(log_name=LOG, text_payload=str(n))) for n in range(10_007)]
        logs.write(raw)
        got, lost = 0, 0
        while got + lost < 10_007:
            answer = await tail.next()
            got += len(answer.entries)
            lost += sum(info.suppressed_count for info in answer.suppression_info)
        assert (got, lost) == (10_000, 7)
        assert answer.suppression_info[0].reason.name == "NOT_CONSUMED"

    play(story)


def test_an_eleventh_tail_of_a_project_is_refused(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        tails = [await Tail(stage).open() for _ in range(10)]
        await listening(stage, len(tails))
        with pytest.raises(exceptions.ResourceExhausted, match="10 open tail sessions"):
            await (await Tail(stage).open()).next()

    play(story)


def test_a_tail_that_ends_makes_room_for_another(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        tails = [await Tail(stage).open() for _ in range(10)]
        await listening(stage, len(tails))
        for tail in tails:
            tail.close()
        await listening(stage, 0)
        fresh = await Tail(stage).open()
        await listening(stage, 1)
        await stage.write(text("heard"))
        assert (await fresh.next()).entries[0].text_payload == "heard"

    play(story)


def test_pages_and_tails_fit_a_channel_s_default_message_size(
    play: Callable[[Play], None],
) -> None:
    async def story(stage: Scene) -> None:
        tail = await Tail(stage).open()
        await listening(stage, 1)
        logs: Any = stage.sandbox.world.logs
        logs.write(
            [LogEntry.pb(LogEntry(log_name=LOG, text_payload="x" * 100_000)) for _ in range(60)]
        )
        assert len(await stage.found(page_size=1000)) == 60
        heard = 0
        while heard < 60:
            heard += len((await tail.next()).entries)

    play(story)


@pytest.mark.parametrize("query", ["severity>=", "thud=1"])
def test_a_tail_with_a_bad_filter_is_refused(play: Callable[[Play], None], query: str) -> None:
    async def story(stage: Scene) -> None:
        with pytest.raises(exceptions.InvalidArgument, match="Unparseable filter"):
            await (await Tail(stage, query=query).open()).next()

    play(story)


@contextlib.contextmanager
def high_level(target: str) -> Iterator[Any]:
    """Google's hand-written client, pointed at an insecure channel as far as it lets one."""
    with grpc.insecure_channel(target) as channel:
        transport = LoggingServiceV2Client.get_transport_class("grpc")(channel=channel)
        untyped: Any = (cloud_logging.Client, AnonymousCredentials, _gapic._LoggingAPI)
        make_client, anonymous, make_api = untyped
        client = make_client(project="emonk-qa", credentials=anonymous())
        client._logging_api = make_api(LoggingServiceV2Client(transport=transport), client)
        yield client


def _write_and_read(target: str) -> list[Any]:
    with high_level(target) as client:
        logger = client.logger("emonk")
        logger.log_struct({"message": "hello", "jobs_due": 2}, severity="WARNING")
        logger.log_text("plain")
        logger.log_empty()
        since = "timestamp>=" + f'"{START.isoformat()}"'
        return list(client.list_entries(filter_=f'{since} log_id("emonk")', page_size=2))


def test_google_s_high_level_client_writes_and_reads(play: Callable[[Play], None]) -> None:
    async def story(stage: Scene) -> None:
        target = stage.sandbox.world.grpc_address
        diagnostic, *entries = await asyncio.to_thread(_write_and_read, target)
        assert "logging.googleapis.com/diagnostic" in diagnostic.payload
        assert [entry.payload for entry in entries] == [
            {"message": "hello", "jobs_due": 2.0},
            "plain",
            None,
        ]
        assert entries[0].severity == "WARNING"
        logs = [name async for name in await stage.client.list_logs(parent=PROJECT)]
        assert f"{PROJECT}/logs/emonk" in logs

    play(story)

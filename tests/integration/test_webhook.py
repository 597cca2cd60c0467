from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

import httpx
import pytest

from emonk_ops.tick.app import application
from emonk_ops.tick.auth import CHAT_ACCOUNT
from emonk_ops.tick.handlers import HandlerRegistry
from emonk_ops.tick.service import TickService
from emonk_ops.tick.settings import read_settings

pytestmark = pytest.mark.anyio
BOSS = "boss@example.com"


class Tokens(Protocol):
    def bearer(self, **claims: Any) -> dict[str, str]: ...


@pytest.fixture
async def http(environment: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    said: list[str] = []
    service = TickService(read_settings(environment), registry=HandlerRegistry(), write=said.append)
    transport = httpx.ASGITransport(app=application(service))
    async with (
        service.lifespan(),
        httpx.AsyncClient(transport=transport, base_url="http://service", timeout=10) as http,
    ):
        yield http


def message(text: str, sender: str = BOSS) -> dict[str, Any]:
    return {"message": {"sender": {"email": sender}, "text": text}}


def chat_token(signer: Tokens) -> dict[str, str]:
    return signer.bearer(iss=CHAT_ACCOUNT, aud="1234567890", email=None, email_verified=None)


async def say(http: httpx.AsyncClient, signer: Tokens, text: str) -> str:
    answer = await http.post("/webhook", json=message(text), headers=chat_token(signer))
    assert answer.status_code == 200, answer.text
    return str(answer.json()["text"])


async def test_an_email_in_the_body_proves_nothing(http: httpx.AsyncClient) -> None:
    assert (await http.post("/webhook", json=message("list"))).status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"message": {}}', b'{"message": 1}'])
async def test_another_body_is_refused_as_nobodys(http: httpx.AsyncClient, body: bytes) -> None:
    assert (await http.post("/webhook", content=body)).status_code == 401


async def test_both_forms_of_chats_token_are_accepted(
    http: httpx.AsyncClient, signer: Tokens
) -> None:
    id_token = signer.bearer(aud="1234567890", email=CHAT_ACCOUNT)
    for headers in (chat_token(signer), id_token):
        answer = await http.post("/webhook", json=message("list"), headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"text": "No jobs."})


async def test_a_token_of_somebody_else_or_for_another_app_is_refused(
    http: httpx.AsyncClient, signer: Tokens
) -> None:
    for claims in (
        {"aud": "1234567890"},
        {"iss": CHAT_ACCOUNT, "aud": "999"},
        {"iss": "chat@elsewhere.example", "aud": "1234567890"},
    ):
        headers = signer.bearer(**claims)
        assert (
            await http.post("/webhook", json=message("list"), headers=headers)
        ).status_code == 401


async def test_a_sender_who_is_not_on_the_list_is_refused(
    http: httpx.AsyncClient, signer: Tokens
) -> None:
    body = message("list", sender="test@example.com")
    answer = await http.post("/webhook", json=body, headers=chat_token(signer))
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "text",
    [
        "schedule log in 10m",
        'schedule log in 2 h {"message": "hello"}',
        "schedule log at 2030-01-05T12:00:00Z",
        'schedule log cron "*/5 * * * *" {"message": "hello"}',
    ],
)
async def test_a_job_is_scheduled_listed_and_cancelled_by_chat(
    http: httpx.AsyncClient, signer: Tokens, text: str
) -> None:
    said = await say(http, signer, text)
    assert said.startswith("Scheduled ")
    job_id = said.removeprefix("Scheduled ").split(":")[0]
    assert job_id in await say(http, signer, "list")
    assert await say(http, signer, f"cancel {job_id}") == f"Cancelled {job_id}."


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("dance", "schedule TYPE"),
        ("schedule", "no handler"),
        ("schedule nothing in 10m", "emonk_canary"),
        ("schedule log", "when"),
        ("schedule log in ten minutes", "when"),
        ("schedule log at 2030-01-05T12:00:00", "time zone"),
        ("schedule log at noon", "noon"),
        ('schedule log cron "* *"', "five"),
        ("schedule log in 10m {", "JSON"),
        ("cancel", "schedule TYPE"),
        ("cancel nothing", "nothing"),
    ],
)
async def test_what_is_not_understood_is_answered_with_what_would_be(
    http: httpx.AsyncClient, signer: Tokens, text: str, word: str
) -> None:
    assert word in await say(http, signer, text)

"""Answers as proto3 JSON, whole or, of a method that streams, as one array."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

from google.protobuf import json_format

from emonk_ops.sandbox.http_server import Request, Response
from emonk_ops.sandbox.rest.calls import raw
from emonk_ops.sandbox.rest.errors import JSON_HEADER, RestError
from emonk_ops.sandbox.rest.requests import parameters

_EXACT = 2**53  # above it a double's digits say more than it knows


class Style:
    """How the caller wants its JSON: `$alt=json;enum-encoding=int`, `prettyPrint=false`."""

    def __init__(self, request: Request) -> None:
        asked = dict(parameters(request))
        self._numbers = "enum-encoding=int" in asked.get("alt", "")
        self._indent = None if asked.get("prettyPrint") in ("false", "0") else 2

    def text(self, content: Any) -> str:
        return json.dumps(content, indent=self._indent, ensure_ascii=False)

    def message(self, message: Any) -> str:
        """A message as JSON text; int64 are strings, fields camel case, defaults left out."""
        content = json_format.MessageToDict(raw(message), use_integers_for_enums=self._numbers)
        return self.text(_whole_numbers(content))


def _whole_numbers(content: Any) -> Any:
    """A double without a fraction is written without one, as the platform does."""
    if isinstance(content, dict):
        return {name: _whole_numbers(value) for name, value in content.items()}
    if isinstance(content, list):
        return [_whole_numbers(value) for value in content]
    if isinstance(content, float) and content.is_integer() and abs(content) < _EXACT:
        return int(content)
    return content


def whole(style: Style, message: Any) -> Response:
    return Response(200, [JSON_HEADER], style.message(message).encode() + b"\n")


async def streamed(style: Style, messages: AsyncIterator[Any]) -> Response:
    """An error before the first message is the answer's status, a later one its last element."""
    try:
        first = await anext(messages, None)
    except RestError as error:
        return Response(
            error.http_status, [JSON_HEADER], f"[{style.text(error.content())}\n]\n".encode()
        )
    return Response(200, [JSON_HEADER], b"[", _elements(style, first, messages))


async def _elements(style: Style, first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[bytes]:
    if first is not None:
        yield style.message(first).encode()
        try:
            async for message in rest:
                yield b"\n,\r\n" + style.message(message).encode()
        except RestError as error:
            yield b"\n,\r\n" + style.text(error.content()).encode()
    yield b"\n]"  # and nothing behind it: Google's own clients stumble over a line feed

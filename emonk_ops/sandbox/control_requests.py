"""How a control action reads its request and refuses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from emonk_ops.sandbox.http_server import Request, Response

Action = Callable[[Request], Awaitable[Response]]


class Refusal(Exception):
    """A control request that makes no sense: HTTP status, sentence, next step."""

    def __init__(self, status: int, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def fields_of(request: Request, *names: str) -> dict[str, Any]:
    try:
        content = request.json()
    except ValueError as problem:
        raise Refusal(400, f"the body is not JSON: {problem}") from None
    missing = [name for name in names if not isinstance(content, dict) or name not in content]
    if missing:
        raise Refusal(400, f"the body lacks {', '.join(missing)}", f"expected: {', '.join(names)}")
    return dict(content)

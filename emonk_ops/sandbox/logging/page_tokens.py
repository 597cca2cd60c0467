"""Page tokens: where a search goes on, bound to the request that began it."""

from __future__ import annotations

import base64
import hashlib
import json

from emonk_ops.sandbox.logging.errors import invalid
from emonk_ops.sandbox.logging.store import Cursor


def token_of(cursor: Cursor | None, request: tuple[object, ...]) -> str:
    """An opaque token; empty when the search is finished."""
    if cursor is None:
        return ""
    text = json.dumps([*cursor, _digest(request)])
    return base64.urlsafe_b64encode(text.encode()).decode()


def cursor_of(token: str, request: tuple[object, ...]) -> Cursor | None:
    """The place in a token; raises Refusal if it is damaged or belongs to another request."""
    if not token:
        return None
    try:
        at, insert_id, log_name, digest = json.loads(base64.urlsafe_b64decode(token))
        cursor = int(at), str(insert_id), str(log_name)
    except (ValueError, TypeError) as exc:
        raise invalid("page_token is invalid") from exc
    if digest != _digest(request):
        raise invalid("page_token does not match the other parameters of the request")
    return cursor


def _digest(request: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(request).encode()).hexdigest()[:16]

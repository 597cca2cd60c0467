"""Pages of a list, with tokens that say where to go on."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from emonk_ops.sandbox.run.errors import invalid

DEFAULT_PAGE = 100
LARGEST_PAGE = 1_000


def page(found: list[Any], size: int, token: str) -> tuple[list[Any], str]:
    """One page of what has a `name` and is sorted by it, and the token of the next (or empty)."""
    if size < 0:
        raise invalid("page_size", "must not be negative.")
    after = _decode(token) if token else ""
    rest = [one for one in found if one.name > after]
    limit = min(size or DEFAULT_PAGE, LARGEST_PAGE)
    chosen = rest[:limit]
    more = len(rest) > limit
    following = base64.urlsafe_b64encode(chosen[-1].name.encode()).decode() if more else ""
    return chosen, following


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise invalid("page_token", "the token is not valid.") from None

"""What strangers' code says, made fit to be written: a text without an encoding, a result no JSON.

A handler's result and an exception's words are anybody's. Whatever they hold, the end of one run
has to be written beside the ends of its siblings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def encodable(text: str) -> str:
    """`text` with U+FFFD for each half of a surrogate pair, which UTF-8 cannot encode."""
    return text if text.isascii() else _LONE_SURROGATE.sub(REPLACEMENT, text)


def said_by(error: BaseException) -> str:
    """The words of an exception, even of one that cannot tell them."""
    try:
        return encodable(str(error))
    except Exception as second:
        return f"its text cannot be told: {type(second).__name__}"


def plain_json(value: Any) -> dict[str, Any]:
    """A copy of `value` as a JSON object gives it back.

    Raises ValueError saying why it is none: no mapping, a value that JSON lacks, half of a
    surrogate pair.
    """
    if not isinstance(value, Mapping):
        raise ValueError(f"a {type(value).__name__} is no JSON object")
    try:
        text = json.dumps(dict(value), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(said_by(error)) from error
    lone = _LONE_SURROGATE.search(text)
    if lone is not None:
        raise ValueError(
            f"it holds U+{ord(lone[0]):04X}, half of a surrogate pair, which cannot be encoded"
        )
    copy: dict[str, Any] = json.loads(text)
    return copy

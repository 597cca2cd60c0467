"""Secrets never enter the journal."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

REDACTED = "[redacted]"
NAMES = r"token|secret|passw(?:or)?d|authorization|credential|api[_-]?key|private[_-]?key"
SECRET_NAME = re.compile(NAMES, re.I)
# What the group matches is kept.
SECRET_TEXT = (
    re.compile(r"()eyJ[\w-]{5,}\.[\w-]{5,}(?:\.[\w-]*)?"),  # a JSON web token
    re.compile(r"((?:bearer|basic) )[\w+/=.~-]{6,}", re.I),
    # NAME=value, NAME: value, "name": "value"; the value with its quotes, or one word.
    re.compile(rf"(\w*(?:{NAMES})\w*[\"']?\s*[:=]\s*)(?:\"[^\"]*\"|'[^']*'|[^\s,;&}}]+)", re.I),
    re.compile(r"()\bAIza[\w-]{10,}"),  # a Google API key
    re.compile(r"()\bya29\.[\w-]+"),  # a Google access token
    re.compile(r"(://)[^/@\s:]+:[^/@\s]+(?=@)"),  # user:password of a URL
    re.compile(r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*KEY-----|$)", re.S),
)


def redacted(value: Any, name: str = "") -> Any:
    """`value` as plain JSON data, with whatever looks like a secret replaced."""
    if isinstance(value, Enum):
        return redacted(value.value, name)
    if isinstance(value, str):
        return REDACTED if value and SECRET_NAME.search(name) else _without_secrets(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return _redacted_mapping(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, name) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    return _without_secrets(str(value))


def _redacted_mapping(value: Mapping[Any, Any]) -> dict[str, Any]:
    # {"name": "SLACK_TOKEN", "value": "…"}: the shape in which Cloud Run lists variables.
    named = str(value.get("name", "")) if set(value) >= {"name", "value"} else ""
    return {
        str(key): redacted(item, named if named and key == "value" else str(key))
        for key, item in value.items()
    }


def _without_secrets(text: str) -> str:
    for pattern in SECRET_TEXT:
        text = pattern.sub(rf"\1{REDACTED}", text)
    return text

"""Values of a filter, read as the type of the field they are compared with."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from google.logging.type import log_severity_pb2

from emonk_ops.sandbox.logging.errors import FilterError

_INSTANT = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?:[Tt ](\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,9})\d*)?)?)?"
    r"([Zz]|[+-]\d\d:?\d\d)?"
)
_DURATION = re.compile(r"(-?)(\d+(?:\.\d*)?|\.\d+)(ns|us|ms|s|m|h|d)")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_SEVERITIES: dict[str, int] = dict(log_severity_pb2.LogSeverity.items())
_NOT_RE2 = re.compile(r"\(\?<?[=!]|\\[1-9]|\(\?P=|\(\?\(|\(\?>")


def severity_number(text: str) -> int:
    """`ERROR`, `error` and `500` are 500."""
    if text.upper() in _SEVERITIES:
        return _SEVERITIES[text.upper()]
    if text.isdigit():
        return int(text)
    raise FilterError(f"'{text}' is not a severity; expected one of {', '.join(_SEVERITIES)}")


def instant_nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 instant or an ISO date; without an offset it is UTC."""
    match = _INSTANT.fullmatch(text)
    if match is None:
        raise FilterError(f"'{text}' is not a timestamp; expected RFC 3339 in quotes")
    try:
        year, month, day, hour, minute, second = (int(match[i] or 0) for i in range(1, 7))
        base = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as exc:
        raise FilterError(f"'{text}' is not a timestamp: {exc}") from exc
    seconds = int((base - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    nanos = int((match[7] or "0").ljust(9, "0"))
    return (seconds - _offset_seconds(match[8])) * 10**9 + nanos


def _offset_seconds(offset: str | None) -> int:
    if offset is None or offset in "Zz":
        return 0
    digits = offset[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if offset[0] == "-" else seconds


def duration_nanoseconds(text: str) -> int:
    """`1.5s`, `20ms`, `2m`; a bare number counts seconds."""
    match = _DURATION.fullmatch(text if text[-1:].isalpha() else text + "s")
    if match is None:
        raise FilterError(f"'{text}' is not a duration; expected a number with a unit, as 1.5s")
    amount = round(float(match[2]) * _UNITS[match[3]])
    return -amount if match[1] else amount


def number(text: str) -> float | None:
    """The number a text spells, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def expression(text: str) -> re.Pattern[str]:
    """A compiled RE2 expression; what RE2 has not is refused although Python knows it."""
    if _NOT_RE2.search(text):
        raise FilterError(f"invalid regular expression '{text}': not in RE2 syntax")
    try:
        return re.compile(text.replace(r"\z", r"\Z"))
    except (re.error, OverflowError) as exc:
        raise FilterError(f"invalid regular expression '{text}': {exc}") from exc

"""Decides whether a log entry satisfies a filter: a tree is compiled once into nested functions."""

from __future__ import annotations

import ipaddress
import operator
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from google.logging.type import log_severity_pb2

from emonk_ops.sandbox.logging.entry_fields import (
    Field,
    Shape,
    enum_text,
    number_text,
    resolve_field,
    texts_of,
)
from emonk_ops.sandbox.logging.errors import FilterError
from emonk_ops.sandbox.logging.filter_literals import (
    duration_nanoseconds,
    expression,
    instant_nanoseconds,
    number,
    severity_number,
)
from emonk_ops.sandbox.logging.filter_tree import (
    And,
    Call,
    Comparison,
    Literal,
    Node,
    Not,
    Or,
    Term,
)

Matcher = Callable[[Any], bool]
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_READERS: dict[Shape, Callable[[str], Any]] = {
    Shape.SEVERITY: severity_number,
    Shape.TIMESTAMP: instant_nanoseconds,
    Shape.DURATION: duration_nanoseconds,
}


def compile_filter(node: Node) -> Matcher:
    """A function of a raw LogEntry; raises FilterError for unknown fields and bad values."""
    match node:
        case And(operands):
            return _every([compile_filter(o) for o in operands])
        case Or(operands):
            return _some([compile_filter(o) for o in operands])
        case Not(operand):
            inner = compile_filter(operand)
            return lambda entry: not inner(entry)
        case Term(text):
            return _term(text)
        case Call():
            return _call(node)
        case Comparison():
            return _comparison(node)


def _every(matchers: list[Matcher]) -> Matcher:
    return lambda entry: all(m(entry) for m in matchers)


def _some(matchers: list[Matcher]) -> Matcher:
    return lambda entry: any(m(entry) for m in matchers)


def _term(text: str) -> Matcher:
    sought = text.lower()
    return lambda entry: any(sought in found.lower() for found in texts_of(entry))


def _comparison(node: Comparison) -> Matcher:
    field = resolve_field(node.field)
    if node.literal.anything and node.operator == ":":
        return field.is_set
    test = _test(field, node.operator, node.literal)
    return lambda entry: any(test(value) for value in field.values(entry))


def _test(field: Field, sign: str, literal: Literal) -> Callable[[Any], bool]:
    if sign in ("=~", "!~"):
        return _pattern_test(field.shape, sign, expression(literal.text))
    if field.shape is Shape.FREE:
        return _free_test(sign, literal.text)
    if field.shape is Shape.MESSAGE:
        return _inside_test(sign, literal.text)
    if field.shape is Shape.TEXT:
        return _text_test(sign, literal.text)
    if field.shape is Shape.FLAG:
        return _flag_test(sign, literal.text)
    return _ordered_test(field.shape, sign, literal.text)


def _pattern_test(shape: Shape, sign: str, pattern: re.Pattern[str]) -> Callable[[Any], bool]:
    found = sign == "=~"

    def test(value: Any) -> bool:
        if isinstance(value, (dict, list)) or value is None or shape is Shape.MESSAGE:
            return False
        return (pattern.search(_shown(shape, value)) is not None) is found

    return test


def _shown(shape: Shape, value: Any) -> str:
    if shape is Shape.SEVERITY:
        return enum_text(log_severity_pb2.LogSeverity.DESCRIPTOR, value)
    if shape is Shape.TIMESTAMP:
        seconds, nanos = divmod(value, 10**9)
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanos:09d}Z"
    if shape is Shape.DURATION:
        return f"{number_text(value / 1e9)}s"
    return next(texts_of(value))


def _ordered_test(shape: Shape, sign: str, text: str) -> Callable[[Any], bool]:
    bound = _READERS[shape](text) if shape in _READERS else number(text)
    if bound is None:
        raise FilterError(f"'{text}' is not a number")
    order = _ORDERS["=" if sign == ":" else sign]
    return lambda value: order(value, bound)


def _text_test(sign: str, text: str) -> Callable[[Any], bool]:
    sought = text.lower()
    if sign == ":":
        return lambda value: sought in value.lower()
    order = _ORDERS[sign]
    return lambda value: order(value.lower(), sought)


def _flag_test(sign: str, text: str) -> Callable[[Any], bool]:
    if text.lower() not in ("true", "false") or sign not in ("=", "!=", ":"):
        raise FilterError(f"a boolean field compares by = or != with true or false, not '{text}'")
    wanted = (text.lower() == "true") is (sign != "!=")
    return lambda value: bool(value) is wanted


def _inside_test(sign: str, text: str) -> Callable[[Any], bool]:
    if sign != ":":
        raise FilterError(f"operator '{sign}' does not apply to a message field; use ':'")
    sought = text.lower()
    return lambda value: any(sought in found.lower() for found in texts_of(value))


def _free_test(sign: str, text: str) -> Callable[[Any], bool]:
    """JSON values: the literal is read as the type the value has; other types never match."""
    on_text = _text_test(sign, text)
    bound = number(text)
    order = _ORDERS["=" if sign == ":" else sign]

    def test(value: Any) -> bool:
        if isinstance(value, str):
            return on_text(value)
        if isinstance(value, bool):
            return text.lower() in ("true", "false") and order(value, text.lower() == "true")
        if isinstance(value, (int, float)):
            return bound is not None and order(value, bound)
        if value is None:
            return order(text.upper() in ("NULL", "NULL_VALUE"), True)
        return sign == ":" and any(text.lower() in found.lower() for found in texts_of(value))

    return test


def _call(call: Call) -> Matcher:
    match call.name, call.arguments:
        case "log_id", (Literal(text),):
            return lambda entry: unquote(entry.log_name.rpartition("/")[2]) == text
        case "search", (Literal(text),):
            return _search(text)
        case "ip_in_net", (tuple() as path, Literal(text)):
            return _ip_in_net(path, text)
        case "sample", (tuple() as path, Literal(text)):
            return _sample(path, text)
    raise FilterError(f"wrong arguments for function '{call.name}'")


def _search(text: str) -> Matcher:
    """Every word of the text must occur as a word, in any order."""
    words = [re.compile(rf"(?<!\w){re.escape(w)}(?!\w)", re.IGNORECASE) for w in text.split()]
    return lambda entry: all(any(w.search(t) for t in texts_of(entry)) for w in words)


def _ip_in_net(path: tuple[str, ...], text: str) -> Matcher:
    field = resolve_field(path)
    try:
        net = ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise FilterError(f"'{text}' is not a network: {exc}") from exc

    def inside(value: Any) -> bool:
        try:
            return ipaddress.ip_address(str(value)) in net
        except ValueError:
            return False

    return lambda entry: any(inside(value) for value in field.values(entry))


def _sample(path: tuple[str, ...], text: str) -> Matcher:
    field, fraction = resolve_field(path), number(text)
    if fraction is None or not 0 <= fraction <= 1:
        raise FilterError(f"sample fraction must be between 0 and 1, not '{text}'")
    limit = fraction * 2**32
    return lambda entry: any(
        zlib.crc32(str(value).encode()) < limit for value in field.values(entry)
    )

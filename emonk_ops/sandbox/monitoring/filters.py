"""Monitoring filters: which series of which metric (monitoring/api/v3/filters).

metric.type = "run.googleapis.com/request_count" AND metric.labels.response_code != "200"
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from emonk_ops.sandbox.monitoring.errors import invalid

_TOKENS = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>!=|=|:|\(|\)|,)|(?P<word>[A-Za-z0-9_.\-/*]+))'
)
_FUNCTIONS: dict[str, Callable[[str, list[str]], bool]] = {
    "starts_with": lambda value, given: value.startswith(given[0]),
    "ends_with": lambda value, given: value.endswith(given[0]),
    "has_substring": lambda value, given: given[0] in value,
    "one_of": lambda value, given: value in given,
    "monitoring.regex.full_match": lambda value, given: bool(re.fullmatch(given[0], value)),
}
Token = tuple[str, str]
Fields = Mapping[str, str]  # "resource.type", "metric.labels.x", …
Test = Callable[[Fields], bool]


@dataclass(frozen=True)
class Selection:
    """One metric type, and the test that a series of it must pass."""

    metric_type: str
    matches: Test


@lru_cache(maxsize=256)
def parse(text: str) -> Selection:
    """Raises Refusal for a filter that names no metric type, or cannot be read."""
    reader = _Reader(text)
    test = reader.either()
    reader.end()
    if not reader.metric_type:
        raise invalid(
            f'Field filter had an invalid value of "{text}": must specify a restriction on'
            ' "metric.type" in the filter.'
        )
    return Selection(reader.metric_type, test)


def label_path(name: str) -> str:
    """`metric.label.x` and `metric.labels.x` are one name."""
    return re.sub(r"^(metric|resource)\.label\.", r"\1.labels.", name)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text)
        self._at = 0
        self.metric_type = ""

    def either(self) -> Test:
        sides = [self._all()]
        while self._word("OR"):
            sides.append(self._all())
        return lambda fields: any(side(fields) for side in sides)

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise self._bad()

    def _all(self) -> Test:
        sides = [self._one()]
        while self._at < len(self._tokens) and self._peek() not in (("word", "OR"), ("sign", ")")):
            self._word("AND")  # which may be left out
            sides.append(self._one())
        return lambda fields: all(side(fields) for side in sides)

    def _one(self) -> Test:
        if self._word("NOT"):
            negated = self._one()
            return lambda fields: not negated(fields)
        if self._sign("("):
            inner = self.either()
            self._must(")")
            return inner
        name = label_path(self._take("word"))
        sign = self._take("sign")
        if sign not in ("=", "!=", ":"):
            raise self._bad()
        test = self._value()
        if name == "metric.type":
            return self._metric(sign)
        if sign == "!=":
            return lambda fields: not test(fields.get(name, ""))
        return lambda fields: test(fields.get(name, ""))

    def _metric(self, sign: str) -> Test:
        kind, text = self._tokens[self._at - 1]
        if sign != "=" or kind != "text":
            raise invalid(f'The filter "{self._text}" must restrict metric.type by = to one type.')
        self.metric_type = _unquoted(text)
        return lambda _fields: True

    def _value(self) -> Callable[[str], bool]:
        kind, text = self._next()
        if kind == "text":
            wanted = _unquoted(text)
            return lambda value: value == wanted
        if kind != "word":
            raise self._bad()
        if text not in _FUNCTIONS:
            return lambda value: value == text
        self._must("(")
        given = [_unquoted(self._take("text"))]
        while self._sign(","):
            given.append(_unquoted(self._take("text")))
        self._must(")")
        function = _FUNCTIONS[text]
        return lambda value: function(value, given)

    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _next(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _take(self, kind: str) -> str:
        found, text = self._next()
        if found != kind:
            raise self._bad()
        return text

    def _word(self, text: str) -> bool:
        return self._skip(("word", text))

    def _sign(self, text: str) -> bool:
        return self._skip(("sign", text))

    def _skip(self, token: Token) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _must(self, sign: str) -> None:
        if not self._sign(sign):
            raise self._bad()

    def _split(self, text: str) -> list[Token]:
        tokens: list[Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = _TOKENS.match(text, at)
            if match is None:
                raise self._bad()
            tokens.append((str(match.lastgroup), match[match.lastgroup or 0]))
            at = match.end()
        return tokens

    def _bad(self) -> Exception:
        return invalid(f'Field filter had an invalid value of "{self._text}": it cannot be parsed.')


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1])

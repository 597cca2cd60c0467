"""The part of Cloud Logging's query language that the operations use, over entries in memory.

Comparisons (`=`, `!=`, `:`, `>=`), quoted text anywhere, `log_id()`, AND, OR, NOT, parentheses.
Anything else raises ValueError: a query that is half understood would find the wrong entries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from emonk_ops.ports import LogEntry

SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")
TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(>=|!=|[=:()])|([^\s()"=:!>]+))')
Matches = Callable[[LogEntry], bool]


def matcher(query: str) -> Matches:
    """Whether an entry matches; an empty query matches all."""
    if not query.strip():
        return lambda _entry: True
    parser = _Parser(query)
    found = parser.any_of()
    parser.expect("")
    return found


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = list(_tokens(query))

    def any_of(self) -> Matches:
        parts = [self.all_of()]
        while self._taken("OR"):
            parts.append(self.all_of())
        return lambda entry: any(part(entry) for part in parts)

    def all_of(self) -> Matches:
        parts = [self.one()]
        while self._peek() not in ("", ")", "OR"):
            self._taken("AND")
            parts.append(self.one())
        return lambda entry: all(part(entry) for part in parts)

    def one(self) -> Matches:
        if self._taken("NOT"):
            inner = self.one()
            return lambda entry: not inner(entry)
        if self._taken("("):
            inner = self.any_of()
            self.expect(")")
            return inner
        word = self._next()
        if word.startswith('"'):
            return _anywhere(_bare(word))
        if word == "log_id":
            self.expect("(")
            wanted = _bare(self._next())
            self.expect(")")
            return lambda entry: entry.log == wanted
        return _comparison(word, self._next(), _bare(self._next()))

    def expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise ValueError(f"expected {token or 'the end'!r}, not {found!r} in: {self._query}")

    def _peek(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _next(self) -> str:
        return self._tokens.pop(0) if self._tokens else ""

    def _taken(self, token: str) -> bool:
        if self._peek() == token:
            self._tokens.pop(0)
            return True
        return False


def _tokens(query: str) -> Iterator[str]:
    at = 0
    text = query.rstrip()
    while at < len(text):
        found = TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"cannot read the query from {text[at:]!r}")
        yield found.group().strip()
        at = found.end()


def _bare(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1]) if token.startswith('"') else token


def _comparison(path: str, operator: str, wanted: str) -> Matches:
    def matches(entry: LogEntry) -> bool:
        value = _value(entry, path)
        if value is None:
            return operator == "!="
        match operator:
            case "=":
                return str(value) == wanted
            case "!=":
                return str(value) != wanted
            case ":":
                return wanted.lower() in str(value).lower()
        return _rank(path, value) >= _rank(path, wanted)

    if operator not in ("=", "!=", ":", ">="):
        raise ValueError(f"the comparison {path} {operator} {wanted} is not known here")
    return matches


def _rank(path: str, value: Any) -> float:
    return float(SEVERITIES.index(value) if path == "severity" else value)


def _value(entry: LogEntry, path: str) -> Any:
    first, _, rest = path.partition(".")
    match first:
        case "severity":
            return entry.severity
        case "textPayload":
            return entry.payload.get("message")
        case "jsonPayload" | "protoPayload":
            return entry.payload.get(rest)
        case "httpRequest":
            return entry.http.get(rest)
        case "resource":
            return entry.resource.get(rest.removeprefix("labels."))
        case "labels":
            return entry.labels.get(rest)
    raise ValueError(f"the field {path} is not known here")


def _anywhere(text: str) -> Matches:
    def matches(entry: LogEntry) -> bool:
        values = (entry.payload, entry.http, entry.labels, entry.resource)
        said = [str(value) for part in values for value in part.values()]
        return any(text.lower() in one.lower() for one in said)

    return matches

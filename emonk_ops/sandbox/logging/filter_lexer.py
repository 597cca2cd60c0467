"""Tokens of the query language (cloud.google.com/logging/docs/view/logging-query-language)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from emonk_ops.sandbox.logging.errors import FilterError

_OPERATORS = ("!=", "<=", ">=", "=~", "!~", "=", "<", ">", ":")
_WORD_ENDS = frozenset(' \t\r\n\f\v()=<>!:~,"')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "a": "\a"}
_CODED_ESCAPE = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})")


class Kind(Enum):
    """The kinds of token."""

    WORD = "word"
    STRING = "string"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    MINUS = "-"
    AND = "AND"
    OR = "OR"
    NOT = "NOT"
    END = "end"


@dataclass(frozen=True)
class Token:
    """One token; `parts` are a field name's segments, `touching` says no blank came before."""

    kind: Kind
    text: str
    line: int
    column: int
    parts: tuple[str, ...] = ()
    touching: bool = False


def tokens_of(source: str) -> list[Token]:
    """Cut a filter into tokens, the last of kind END; raises FilterError with line and column."""
    return _Lexer(source).run()


class _Lexer:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._tokens: list[Token] = []

    def run(self) -> list[Token]:
        while True:
            touching = not self._skip_blank()
            start = self._at
            if start >= len(self._source):
                self._add(Kind.END, "", start)
                return self._tokens
            self._take_one(start, touching)

    def _take_one(self, start: int, touching: bool) -> None:
        char = self._source[start]
        operator = next((o for o in _OPERATORS if self._source.startswith(o, start)), None)
        if operator is not None:
            self._at += len(operator)
            self._add(Kind.OPERATOR, operator, start)
        elif char in "(),":
            self._at += 1
            kind = {"(": Kind.OPEN, ")": Kind.CLOSE, ",": Kind.COMMA}[char]
            self._add(kind, char, start, touching=touching)
        elif char == "-" and self._minus_negates():
            self._at += 1
            self._add(Kind.MINUS, char, start)
        elif char in "!~":
            raise self._error(start, char)
        else:
            self._take_word(start)

    def _minus_negates(self) -> bool:
        return not self._tokens or self._tokens[-1].kind is not Kind.OPERATOR

    def _take_word(self, start: int) -> None:
        parts: list[str] = []
        quoted = False
        while self._at < len(self._source):
            if self._source[self._at] == '"' or (self._source[self._at] == "'" and self._opens()):
                parts.append(self._quoted())
                quoted = True
                if not self._source.startswith(".", self._at):
                    break
                self._at += 1
                continue
            run = self._run()
            parts.extend(run.rstrip(".").split(".") if run.rstrip(".") else [])
            if not (run.endswith(".") and self._at_quote()):
                break
        raw = self._source[start : self._at]
        if quoted and len(parts) == 1 and raw[0] in "\"'":
            self._add(Kind.STRING, parts[0], start)
        elif raw in ("AND", "OR", "NOT"):
            self._add(Kind[raw], raw, start)
        else:
            self._add(Kind.WORD, raw, start, tuple(parts))

    def _opens(self) -> bool:
        before = self._source[self._at - 1] if self._at else " "
        return before in _WORD_ENDS or before == "."

    def _at_quote(self) -> bool:
        return self._source[self._at : self._at + 1] in ('"', "'")

    def _run(self) -> str:
        start = self._at
        while self._at < len(self._source) and self._source[self._at] not in _WORD_ENDS:
            if self._source[self._at] == "'" and self._source[self._at - 1] == ".":
                break
            self._at += 1
        if self._at == start:
            raise self._error(start, self._source[start])
        return self._source[start : self._at]

    def _quoted(self) -> str:
        start, quote = self._at, self._source[self._at]
        self._at += 1
        out: list[str] = []
        while self._at < len(self._source):
            char = self._source[self._at]
            self._at += 1
            if char == quote:
                return "".join(out)
            out.append(self._escape(start) if char == "\\" else char)
        line, column = self._place(start)
        raise FilterError(f"unterminated string literal at line {line}, column {column}")

    def _escape(self, start: int) -> str:
        """An unknown escape keeps its backslash, so that a regular expression needs only one."""
        coded = _CODED_ESCAPE.match(self._source, self._at)
        if coded:
            self._at = coded.end()
            return self._character(int(coded[1] or coded[2] or coded[3], 16), start)
        char = self._source[self._at : self._at + 1]
        self._at += 1
        if char in ("\\", '"', "'"):
            return char
        return _ESCAPES.get(char, "\\" + char)

    def _character(self, code: int, start: int) -> str:
        if code > 0x10FFFF:
            line, column = self._place(start)
            raise FilterError(f"invalid escape sequence at line {line}, column {column}")
        return chr(code)

    def _skip_blank(self) -> bool:
        start = self._at
        while self._at < len(self._source):
            if self._source[self._at].isspace():
                self._at += 1
            elif self._source.startswith("--", self._at):
                end = self._source.find("\n", self._at)
                self._at = len(self._source) if end < 0 else end
            else:
                break
        return self._at > start

    def _add(
        self,
        kind: Kind,
        text: str,
        start: int,
        parts: tuple[str, ...] = (),
        *,
        touching: bool = False,
    ) -> None:
        line, column = self._place(start)
        self._tokens.append(Token(kind, text, line, column, parts, touching))

    def _place(self, at: int) -> tuple[int, int]:
        before = self._source[:at]
        return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1

    def _error(self, at: int, token: str) -> FilterError:
        line, column = self._place(at)
        return FilterError(f"syntax error at line {line}, column {column}, token '{token}'")

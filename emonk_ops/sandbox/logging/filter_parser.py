"""The grammar of the Logging query language: NOT binds first, then OR, then AND."""

from __future__ import annotations

from collections.abc import Callable

from emonk_ops.sandbox.logging.errors import FilterError
from emonk_ops.sandbox.logging.filter_lexer import Kind, Token, tokens_of
from emonk_ops.sandbox.logging.filter_tree import (
    EVERYTHING,
    And,
    Call,
    Comparison,
    Literal,
    Node,
    Not,
    Or,
    Term,
)

MAX_FILTER_CHARACTERS = 20_000
MAX_DEPTH = 100
FUNCTIONS = frozenset({"log_id", "sample", "ip_in_net", "search"})
_STARTS = frozenset({Kind.WORD, Kind.STRING, Kind.OPEN, Kind.MINUS, Kind.NOT})


def parse_filter(source: str) -> Node:
    """The tree of a filter; an empty one admits everything. Raises FilterError."""
    if len(source) > MAX_FILTER_CHARACTERS:
        raise FilterError(f"filter is longer than {MAX_FILTER_CHARACTERS} characters")
    return _Parser(tokens_of(source)).whole()


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._accept(Kind.END):
            return EVERYTHING
        node = self._all(self._term)
        self._take(Kind.END)
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self, kind: Kind) -> Token:
        token = self._next
        if token.kind is not kind:
            raise self._error()
        self._at += 1
        return token

    def _accept(self, *kinds: Kind) -> bool:
        if self._next.kind in kinds:
            self._at += 1
            return True
        return False

    def _error(self) -> FilterError:
        token = self._next
        shown = token.text or "<end of filter>"
        return FilterError(
            f"syntax error at line {token.line}, column {token.column}, token '{shown}'"
        )

    def _all(self, leaf: Callable[[], Node]) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise FilterError(f"filter is nested deeper than {MAX_DEPTH} levels")
        operands = [self._any(leaf)]
        while self._accept(Kind.AND) or self._next.kind in _STARTS:
            operands.append(self._any(leaf))
        self._depth -= 1
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _any(self, leaf: Callable[[], Node]) -> Node:
        operands = [self._negated(leaf)]
        while self._accept(Kind.OR):
            operands.append(self._negated(leaf))
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _negated(self, leaf: Callable[[], Node]) -> Node:
        negative = False
        while self._accept(Kind.NOT, Kind.MINUS):
            negative = not negative
        node = self._group(leaf) if self._next.kind is Kind.OPEN else leaf()
        return Not(node) if negative else node

    def _group(self, leaf: Callable[[], Node]) -> Node:
        self._take(Kind.OPEN)
        node = self._all(leaf)
        self._take(Kind.CLOSE)
        return node

    def _term(self) -> Node:
        token = self._next
        if token.kind not in (Kind.WORD, Kind.STRING):
            raise self._error()
        self._at += 1
        if self._next.kind is Kind.OPERATOR:
            return self._comparison(token)
        if token.kind is Kind.WORD and self._next.kind is Kind.OPEN and self._next.touching:
            return self._call(token)
        return Term(token.text)

    def _comparison(self, field: Token) -> Node:
        path = field.parts or (field.text,)
        operator = self._take(Kind.OPERATOR).text

        def value() -> Node:
            return Comparison(path, operator, self._literal())

        return self._group(value) if self._next.kind is Kind.OPEN else value()

    def _literal(self) -> Literal:
        token = self._next
        if token.kind not in (Kind.WORD, Kind.STRING):
            raise self._error()
        self._at += 1
        return Literal(token.text, token.kind is Kind.STRING)

    def _call(self, name: Token) -> Node:
        if name.text.lower() not in FUNCTIONS:
            raise FilterError(
                f"unknown function '{name.text}' at line {name.line}, column {name.column}"
            )
        self._take(Kind.OPEN)
        arguments: list[Literal | tuple[str, ...]] = []
        while self._next.kind is not Kind.CLOSE:
            if arguments:
                self._take(Kind.COMMA)
            arguments.append(self._argument())
        self._take(Kind.CLOSE)
        return Call(name.text.lower(), tuple(arguments))

    def _argument(self) -> Literal | tuple[str, ...]:
        token = self._next
        if token.kind is Kind.WORD and not token.text.replace(".", "", 1).isdigit():
            self._at += 1
            return token.parts
        return self._literal()

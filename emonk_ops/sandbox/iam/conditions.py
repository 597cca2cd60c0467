"""Conditions on bindings: comparisons of `request.time`, joined by &&, || and !.

A small part of the Common Expression Language that IAM uses (iam/docs/conditions-overview); what
is outside of it is refused when the policy is set, never guessed when it is evaluated.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

from emonk_ops.sandbox.iam.errors import invalid

Condition = Callable[[datetime], bool]
COMPARISONS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_TOKENS = re.compile(
    r"\s*(?:(?P<time>request\.time)|timestamp\(\s*(?P<quote>['\"])(?P<stamp>[^'\"]*)(?P=quote)\s*\)"
    r"|(?P<word>true|false)|(?P<sign><=|>=|==|!=|&&|\|\||[<>!()]))"
)
Token = tuple[str, str]


@lru_cache(256)
def parse(expression: str) -> Condition:
    """The condition as a function of the request's time. Raises Refusal for what it cannot be."""
    reader = _Reader(expression)
    condition = reader.either()
    reader.end()
    return condition


class _Reader:
    """Recursive descent over the tokens; each method reads one level of precedence."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._tokens = self._split(expression)
        self._at = 0

    def either(self) -> Condition:
        sides = [self._all()]
        while self._take("sign", "||"):
            sides.append(self._all())
        return lambda now: any(side(now) for side in sides)

    def end(self) -> None:
        if self._at != len(self._tokens):
            raise self._bad()

    def _all(self) -> Condition:
        sides = [self._one()]
        while self._take("sign", "&&"):
            sides.append(self._one())
        return lambda now: all(side(now) for side in sides)

    def _one(self) -> Condition:
        if self._take("sign", "!"):
            negated = self._one()
            return lambda now: not negated(now)
        if self._take("sign", "("):
            inner = self.either()
            if not self._take("sign", ")"):
                raise self._bad()
            return inner
        if (word := self._take("word")) is not None:
            return lambda now: word == "true"
        return self._comparison()

    def _comparison(self) -> Condition:
        stamp = self._take("stamp")
        if stamp is None and self._take("time") is None:
            raise self._bad()
        sign = self._take("sign")
        if sign not in COMPARISONS:
            raise self._bad()
        if stamp is None:
            stamp = self._take("stamp")
        elif self._take("time"):
            sign = MIRRORED[sign]
        else:
            raise self._bad()
        if stamp is None:
            raise self._bad()
        moment, compare = self._moment(stamp), COMPARISONS[sign]
        return lambda now: bool(compare(now, moment))

    def _moment(self, stamp: str) -> datetime:
        try:
            moment = datetime.fromisoformat(stamp)
        except ValueError:
            raise self._bad() from None
        if moment.tzinfo is None:
            raise self._bad()
        return moment.astimezone(UTC)

    def _take(self, kind: str, text: str | None = None) -> str | None:
        if self._at == len(self._tokens):
            return None
        found_kind, found = self._tokens[self._at]
        if found_kind != kind or (text is not None and found != text):
            return None
        self._at += 1
        return found

    def _split(self, expression: str) -> list[Token]:
        tokens: list[Token] = []
        at, end = 0, len(expression.rstrip())
        while at < end:
            match = _TOKENS.match(expression, at)
            if match is None:
                raise self._bad()
            kinds = ("time", "stamp", "word", "sign")
            tokens += [(kind, match[kind]) for kind in kinds if match[kind] is not None]
            at = match.end()
        return tokens

    def _bad(self) -> Exception:
        return invalid(
            f"Condition expression '{self._expression}' is not one that the sandbox can evaluate:"
            ' it knows comparisons of request.time with timestamp("..."), &&, ||, ! and'
            " parentheses."
        )

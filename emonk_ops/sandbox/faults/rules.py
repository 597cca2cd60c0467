"""Rules that say which calls go wrong, how, how often and for how long."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import grpc

LONGEST_LATENCY_SECONDS = 600.0
_CODES = {code.name: code for code in grpc.StatusCode}


class BadRule(ValueError):
    """A rule that makes no sense; the message says what was expected."""


@dataclass(frozen=True)
class Rule:
    """One fault. `method` is a pattern over `package.Service/Method`, `identity` one over e-mails.

    Latency is real seconds, put before the call. With `code` the call is refused, before it is
    applied or, with `lost`, after it was: its answer is lost. `rate` is the share of the calls that
    match, `count` how many more of them (None: no end), `until` a time of the world's clock.
    """

    id: str
    method: str = "*"
    identity: str = "*"
    latency: float = 0.0
    code: str = ""
    message: str = ""
    lost: bool = False
    rate: float = 1.0
    count: int | None = None
    until: datetime | None = None

    def matches(self, method: str, identity: str) -> bool:
        """`/package.Service/Method`; a pattern without a slash is one for the method's own name."""
        full = method.lstrip("/")
        name = full if "/" in self.method else full.rpartition("/")[2]
        return fnmatchcase(name, self.method) and fnmatchcase(identity, self.identity)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        data = asdict(self)
        data["until"] = None if self.until is None else self.until.isoformat()
        return data


def rule_of(rule_id: str, data: Mapping[str, Any]) -> Rule:
    """Read the JSON form. Raises BadRule."""
    known = {"method", "identity", "latency", "code", "message", "lost", "rate", "count", "until"}
    if unknown := sorted(set(data) - known):
        raise BadRule(f"unknown field {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    rule = Rule(
        rule_id,
        method=str(data.get("method") or "*"),
        identity=str(data.get("identity") or "*"),
        latency=_number(data, "latency", 0.0, LONGEST_LATENCY_SECONDS),
        code=_code(data),
        message=str(data.get("message") or ""),
        lost=bool(data.get("lost", False)),
        rate=_number(data, "rate", 1.0, 1.0),
        count=_count(data),
        until=_moment(data),
    )
    if not rule.latency and not rule.code:
        raise BadRule("a fault needs a latency (seconds) or a code, for example UNAVAILABLE")
    return rule


class Faults:
    """The rules in force. The newest that matches a call decides over it."""

    def __init__(self, now: Callable[[], datetime], rng: random.Random) -> None:
        self._now = now
        self._rng = rng
        self._rules: list[Rule] = []
        self._numbers = 0
        self.hits: dict[str, int] = {}

    def add(self, data: Mapping[str, Any]) -> Rule:
        """Put a rule in force. Raises BadRule."""
        rule = rule_of(f"f{self._numbers + 1}", data)
        self._numbers += 1
        self._rules.append(rule)
        self.hits[rule.id] = 0
        return rule

    def remove(self, ids: Iterable[str]) -> list[str]:
        """End the rules of these ids; which of them there were."""
        wanted = set(ids)
        gone = [rule.id for rule in self._rules if rule.id in wanted]
        self._rules = [rule for rule in self._rules if rule.id not in wanted]
        return gone

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Those in force, oldest first."""
        now = self._now()
        self._rules = [rule for rule in self._rules if rule.until is None or now < rule.until]
        return tuple(self._rules)

    def pick(self, method: str, identity: str) -> Rule | None:
        """The rule that strikes this call, counted; None for a call that goes well."""
        if not self._rules:
            return None
        for rule in reversed(self.rules):
            if rule.matches(method, identity) and self._rng.random() < rule.rate:
                self._strike(rule)
                return rule
        return None

    def _strike(self, rule: Rule) -> None:
        self.hits[rule.id] += 1
        if rule.count is None:
            return
        at = self._rules.index(rule)
        if rule.count <= 1:
            del self._rules[at]
        else:
            self._rules[at] = replace(rule, count=rule.count - 1)


def _number(data: Mapping[str, Any], name: str, default: float, most: float) -> float:
    value = data.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadRule(f"{name} must be a number from 0 to {most:g}, got {value!r}")
    return float(value)


def _count(data: Mapping[str, Any]) -> int | None:
    value = data.get("count")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRule(f"count must be a whole number of at least 1, got {value!r}")
    return value


def _code(data: Mapping[str, Any]) -> str:
    code = str(data.get("code") or "").upper()
    if code and (code not in _CODES or code == "OK"):
        raise BadRule(f"{code} is no error code; for example UNAVAILABLE or ABORTED")
    return code


def _moment(data: Mapping[str, Any]) -> datetime | None:
    value = data.get("until")
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadRule(f"until={value!r} is no time; for example 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise BadRule(f"until={value!r} has no zone; for example {value}Z")
    return moment.astimezone(UTC)


def status_of(rule: Rule) -> grpc.StatusCode:
    """The status that a rule with a code answers with."""
    return _CODES[rule.code]


def ends_after(seconds: float, now: datetime) -> datetime:
    """`until` for a fault of so many seconds of the world's clock."""
    return now + timedelta(seconds=seconds)

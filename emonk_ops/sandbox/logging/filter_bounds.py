"""What a filter demands in any case, for the store's index: time range, severity, logs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from urllib.parse import quote, unquote

from emonk_ops.sandbox.logging.filter_literals import instant_nanoseconds, severity_number
from emonk_ops.sandbox.logging.filter_tree import And, Call, Comparison, Literal, Node, Or

EARLIEST = -(2**63)
LATEST = 2**63 - 1


@dataclass(frozen=True)
class Bounds:
    """A superset of what matches: both ends of the time range (ns since 1970) are included.

    `log_ids` is None for any log, else decoded log ids in lower case.
    """

    since: int = EARLIEST
    until: int = LATEST
    severity: int = 0
    log_ids: frozenset[str] | None = None

    def both(self, other: Bounds) -> Bounds:
        ids = self.log_ids if other.log_ids is None else other.log_ids
        if self.log_ids is not None and other.log_ids is not None:
            ids = self.log_ids & other.log_ids
        return Bounds(
            max(self.since, other.since),
            min(self.until, other.until),
            max(self.severity, other.severity),
            ids,
        )

    def either(self, other: Bounds) -> Bounds:
        known = self.log_ids is not None and other.log_ids is not None
        return Bounds(
            min(self.since, other.since),
            max(self.until, other.until),
            min(self.severity, other.severity),
            (self.log_ids or frozenset()) | (other.log_ids or frozenset()) if known else None,
        )


ANYTHING = Bounds()


def bounds_of(node: Node) -> Bounds:
    """The narrowest bounds that the tree makes obvious; never narrower than what matches."""
    match node:
        case And(operands):
            return reduce(Bounds.both, map(bounds_of, operands), ANYTHING)
        case Or(operands):
            return reduce(Bounds.either, map(bounds_of, operands))
        case Comparison():
            return _comparison_bounds(node)
        case Call("log_id", (Literal(text),)):
            return replace(ANYTHING, log_ids=frozenset({text.lower()}))
    return ANYTHING


def _comparison_bounds(node: Comparison) -> Bounds:
    text = node.literal.text
    match node.field, node.operator:
        case ("timestamp",), (">" | ">="):
            return replace(ANYTHING, since=instant_nanoseconds(text))
        case ("timestamp",), ("<" | "<="):
            return replace(ANYTHING, until=instant_nanoseconds(text))
        case ("timestamp",), "=":
            return Bounds(instant_nanoseconds(text), instant_nanoseconds(text))
        case ("severity",), (">" | ">=" | "="):
            return replace(ANYTHING, severity=severity_number(text))
        case ("logName" | "log_name",), "=":
            return replace(ANYTHING, log_ids=frozenset({log_id_of(text).lower()}))
    return ANYTHING


def log_id_of(log_name: str) -> str:
    """The decoded id at the end of a log name."""
    return unquote(log_name.partition("/logs/")[2])


def log_name_of(project: str, log_id: str) -> str:
    """The name of a project's log, its id encoded as the API wants it."""
    return f"projects/{project}/logs/{quote(log_id, safe='')}"

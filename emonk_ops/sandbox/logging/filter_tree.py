"""The syntax tree of a Logging filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Literal:
    """A value as written; `quoted` tells `"*"` (a star) from `*` (any value)."""

    text: str
    quoted: bool

    @property
    def anything(self) -> bool:
        return self.text == "*" and not self.quoted


@dataclass(frozen=True)
class Comparison:
    """`field operator literal`."""

    field: tuple[str, ...]
    operator: str
    literal: Literal


@dataclass(frozen=True)
class Term:
    """A bare value, sought in every field."""

    text: str


@dataclass(frozen=True)
class Call:
    """`name(arguments…)`; a field argument keeps its segments."""

    name: str
    arguments: tuple[Literal | tuple[str, ...], ...]


@dataclass(frozen=True)
class Not:
    """The opposite of its operand."""

    operand: Node


@dataclass(frozen=True)
class And:
    """All operands; none at all admits everything."""

    operands: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """At least one operand."""

    operands: tuple[Node, ...]


Node: TypeAlias = Comparison | Term | Call | Not | And | Or
EVERYTHING = And(())

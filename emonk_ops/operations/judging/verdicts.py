"""Rulings: each a question put to the counted facts, with its verdict and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from emonk_ops.errors import ExitCode
from emonk_ops.rollout.model import Verdict
from emonk_ops.rollout.verdicts import EXIT_CODE_OF_VERDICT, overall


@dataclass(frozen=True)
class Ruling:
    """`kind` is invariant, coverage or tendency; only a tendency may be called advisory."""

    name: str
    kind: str
    verdict: Verdict
    summary: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Judgement:
    """All rulings over one window."""

    rulings: tuple[Ruling, ...]
    classes: Mapping[str, int]
    facts: Mapping[str, Any]

    @property
    def verdict(self) -> Verdict:
        return overall(one.verdict for one in self.rulings)

    @property
    def exit_code(self) -> ExitCode:
        return EXIT_CODE_OF_VERDICT[self.verdict]

    def failed(self) -> frozenset[str]:
        return frozenset(one.name for one in self.rulings if one.verdict is Verdict.FAIL)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "verdict": self.verdict.value,
            "classes": dict(self.classes),
            "rulings": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "verdict": one.verdict.value,
                    "summary": one.summary,
                    "facts": dict(one.facts),
                }
                for one in self.rulings
            ],
            **self.facts,
        }


def few(found: Sequence[str], count: int) -> str:
    """The examples, and how many more there are."""
    more = f" and {count - len(found)} more" if count > len(found) else ""
    return ", ".join(found) + more

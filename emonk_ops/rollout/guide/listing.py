"""The guide's lines as a stage's plan lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emonk_ops.rollout.guide import (
    appendix,
    failures,
    monitoring,
    stage0,
    stage1,
    stage2,
    stage3,
    stage4,
    stage5,
)
from emonk_ops.rollout.guide.model import By, Line, Section
from emonk_ops.settings import Environment

SECTIONS: tuple[Section, ...] = (
    *stage0.SECTIONS,
    *stage1.SECTIONS,
    *stage2.SECTIONS,
    *stage3.SECTIONS,
    *stage4.BEFORE,
    failures.INJECTIONS,
    *stage4.AFTER,
    *stage5.SECTIONS,
    *monitoring.SECTIONS,
    *appendix.SECTIONS,
)


@dataclass(frozen=True)
class Listed:
    """A line as it stands in one environment. Without ids it is another one's, as `only` says."""

    heading: str
    section: str
    line: str
    ids: tuple[str, ...]
    by: str
    only: str = ""
    here: bool = True  # answered by the very stage whose plan this is

    def to_data(self) -> dict[str, Any]:
        return {
            "heading": self.heading,
            "section": self.section,
            "line": self.line,
            "ids": list(self.ids),
            "by": self.by,
            "only": self.only,
        }


def listed(number: int, env: Environment) -> tuple[Listed, ...]:
    """The lines that a stage's plan lists, in the guide's order."""
    return tuple(
        _listed(section, one, env)
        for section in SECTIONS
        if section.stage == number
        for one in section.lines
    )


def _listed(section: Section, line: Line, env: Environment) -> Listed:
    answer = line.answer(env)
    if answer is None:
        only = "; ".join(str(one.where) for one in line.answers)
        return Listed(section.heading, section.title, line.text, (), "", only, here=False)
    here = answer.by is By.STAGE and answer.stage == section.stage and not answer.at_gate
    return Listed(
        section.heading,
        section.title,
        line.text,
        answer.ids,
        answer.command(env),
        here=here,
    )

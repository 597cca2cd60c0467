"""A line of the guide, and the checks, steps and observations that answer it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from emonk_ops.settings import Environment


class By(StrEnum):
    """The command that answers; its ids are known there."""

    STAGE = "stage"
    SOURCE = "stage 5 --source DIR --apply"
    ROLLBACK = "rollback"
    PARTIAL = "rollback --partial"
    EMERGENCY = "rollback --emergency"
    INJECTIONS = "inject suite"
    QA_TESTS = "inject suite --appendix"
    ALERTS = "alerts apply"
    DASHBOARD = "dashboard apply"


class Where(StrEnum):
    """The environments in which an answer is given; the value says it to a person."""

    EVERYWHERE = "every environment"
    TAKES_OVER = "where stage 2 hands over (only_driver = true, as in qa)"
    CANARY = "where stage 2 sends a canary tick (only_driver = false, as in production)"
    FIRST = "where no environment comes before (no gated_by, as in qa)"
    GATED = "where another environment comes first (gated_by, as in production)"

    def holds(self, env: Environment) -> bool:
        return {
            Where.EVERYWHERE: True,
            Where.TAKES_OVER: env.only_driver,
            Where.CANARY: not env.only_driver,
            Where.FIRST: not env.gated_by,
            Where.GATED: bool(env.gated_by),
        }[self]


@dataclass(frozen=True)
class Answer:
    """`ids` as the command knows them: of an injection "NAME", or "NAME/OBSERVATION".

    `stage` is the one that answers, or that is rolled back. `at_gate` means the command is given
    in the environment that comes first.
    """

    by: By
    ids: tuple[str, ...]
    stage: int | None = None
    where: Where = Where.EVERYWHERE
    at_gate: bool = False

    def command(self, env: Environment) -> str:
        """Without the program's name; with --env where that is another environment."""
        words = f"{self.by} {self.stage}" if self.by is By.STAGE else str(self.by)
        return f"{words} --env {env.gated_by}" if self.at_gate else words


@dataclass(frozen=True)
class Line:
    """What the guide says, and its answers: the first that holds in an environment is given."""

    text: str
    answers: tuple[Answer, ...]

    def answer(self, env: Environment) -> Answer | None:
        """None where the line is another environment's."""
        return next((one for one in self.answers if one.where.holds(env)), None)


@dataclass(frozen=True)
class Section:
    """The lines under a heading of the guide; `stage` is the one whose plan lists them."""

    heading: str
    title: str  # empty: right under the heading
    stage: int
    lines: tuple[Line, ...]


def line(text: str, *answers: Answer) -> Line:
    return Line(text, answers)


def stage(number: int, *ids: str, where: Where = Where.EVERYWHERE, at_gate: bool = False) -> Answer:
    return Answer(By.STAGE, ids, number, where, at_gate)


def undone(number: int, *ids: str) -> Answer:
    """By the steps of the way back from a stage."""
    return Answer(By.ROLLBACK, ids, number)


def by(command: By, *ids: str) -> Answer:
    return Answer(command, ids)

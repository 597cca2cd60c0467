"""An act of the rehearsal: a command that an operator types, and how it must end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emonk_ops.errors import ExitCode

OURS = "emonk-ops"
KILLED = -9


@dataclass(frozen=True)
class Act:
    """One command of the story. `why` is what the narrator says of it.

    `killed_at` names a kind of journal record: as soon as it is written, the command is killed as
    by kill -9.
    """

    title: str
    argv: tuple[str, ...]  # behind the program
    expected: ExitCode | int = ExitCode.DONE
    env: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    program: str = OURS
    killed_at: str = ""
    shows: tuple[str, ...] = ()  # words that it has to say


def confirm(*words: tuple[str, str]) -> tuple[str, ...]:
    """`--confirm` for what no machine, or not this target, can answer."""
    return tuple(part for name, word in words for part in ("--confirm", f"{name}={word}"))

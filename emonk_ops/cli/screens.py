"""Chooses how a run is shown, and asks questions where somebody can answer."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Protocol

from emonk_ops.cli.desk import Desk
from emonk_ops.rollout.events import Observer


class Screen(Observer, Protocol):
    """An observer that can be shown and paused."""

    def showing(self) -> AbstractContextManager[None]: ...

    def paused(self) -> AbstractContextManager[None]: ...


def is_lively(desk: Desk) -> bool:
    """Whether what is shown may change in its place: on a terminal, not in CI, not a dumb one."""
    lively = desk.screen.is_terminal and desk.environ.get("TERM") != "dumb"
    return lively and not desk.environ.get("CI") and desk.environ.get("TTY_INTERACTIVE") != "0"


def screen_for(desk: Desk) -> Screen:
    """A live tree where it may be; else plain lines."""
    if not is_lively(desk):
        from emonk_ops.cli.render_plain import PlainRenderer

        return PlainRenderer(desk.screen)
    from rich.console import Console

    from emonk_ops.cli.render_live import LiveRenderer

    return LiveRenderer(Console(stderr=desk.json, highlight=False))


def can_ask(desk: Desk, no_input: bool) -> bool:
    """Whether a person sits there: both ends are terminals and nobody said otherwise."""
    if no_input or desk.json or desk.environ.get("CI"):
        return False
    return sys.stdin is not None and sys.stdin.isatty() and desk.err.is_terminal


def ask(desk: Desk, question: str) -> str:
    """One line from the terminal; empty at its end."""
    desk.err.write(question)
    return sys.stdin.readline().strip()

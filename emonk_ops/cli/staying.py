"""Commands that stay and look again: their pace, their patience with the cloud, their ends."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

import typer

from emonk_ops.cli.desk import Desk
from emonk_ops.clock import Clock, sleep
from emonk_ops.errors import (
    EXIT_CODE_MEANINGS,
    CloudError,
    ExitCode,
    Interrupted,
    QuotaExceeded,
    Unreachable,
)

MOST_SLOWED = 16.0
Minutes = Annotated[
    float | None, typer.Option("--for", min=0.01, help="End after so many minutes.")
]


def stay(
    desk: Desk,
    clock: Clock,
    look: Callable[[], float | None],
    *,
    every: float,
    minutes: float | None,
    say: Callable[[str], None],
) -> ExitCode:
    """Look again and again, until the reader goes, a signal comes or `minutes` have passed.

    `look` gives the seconds to the next one, or None for the last. Where the cloud says that there
    were too many requests, or cannot be reached, the looks come slower and go on. Any other no of
    the cloud ends it at the first look only: then it is no passing trouble.
    """
    deadline: datetime | None = None
    slowed, has_looked = 1.0, False
    try:
        while not (desk.out.gone or desk.screen.gone):
            try:
                if deadline is None and minutes is not None:
                    deadline = clock.now() + timedelta(minutes=minutes)
                wait = look()
                slowed, has_looked = max(1.0, slowed / 2), True
            except CloudError as error:
                if not has_looked and not isinstance(error, (QuotaExceeded, Unreachable)):
                    raise
                wait, slowed = every, min(2 * slowed, MOST_SLOWED)
                say(f"{error.message} (the next look is in {wait * slowed:g} s)")
            if wait is None:
                return ExitCode.DONE
            rest = _rest(clock, deadline)
            _sleep(clock, desk.with_.clock, min(wait * slowed, rest))
            if rest <= wait * slowed:
                return ExitCode.DONE
            desk.out.notice_end()
    except Interrupted as stopped:
        return stopped.exit_code
    return ExitCode.DONE


def left(desk: Desk, code: ExitCode) -> ExitCode:
    """The code, and a word on it where a signal ended the watching; after the screen's end."""
    if code is not ExitCode.DONE:
        desk.err.line(f"stopped: {EXIT_CODE_MEANINGS[code]}")
    return code


def _rest(clock: Clock, deadline: datetime | None) -> float:
    """Seconds; without end where none is set, or while the clock cannot be asked."""
    if deadline is None:
        return float("inf")
    try:
        return max(0.0, (deadline - clock.now()).total_seconds())
    except CloudError:
        return float("inf")


def _sleep(clock: Clock, machine: Clock, seconds: float) -> None:
    """On the environment's clock; on the machine's where that does not answer."""
    try:
        sleep(clock, seconds)
    except CloudError:
        sleep(machine, seconds)

"""Durations as people type them."""

from __future__ import annotations

import typer

from emonk_ops.cli.output import Output
from emonk_ops.errors import ExitCode

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_err = Output("stderr")


def seconds_of(duration: str) -> float:
    """`200ms`, `90s`, `15m`, `24h`, `7d`, or plain seconds; another text ends the command."""
    number = duration.rstrip("dhms")
    unit = duration[len(number) :] or "s"
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        _err.line(f"usage: '{duration}' is not a duration; for example 200ms, 90s, 15m, 24h or 7d")
        raise typer.Exit(int(ExitCode.USAGE))
    return seconds

"""Durations as people type them."""

from __future__ import annotations

import typer

from emonk_ops.cli.output import Output
from emonk_ops.errors import UsageError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_err = Output("stderr")


def parsed(duration: str) -> float:
    """Seconds of `200ms`, `90s`, `15m`, `24h`, `7d` or plain seconds. Raises UsageError."""
    number = duration.rstrip("dhms")
    unit = duration[len(number) :] or "s"
    try:
        seconds = float(number) * UNITS[unit]
    except (ValueError, KeyError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UsageError(f"'{duration}' is not a duration; for example 200ms, 90s, 15m, 24h or 7d")
    return seconds


def seconds_of(duration: str) -> float:
    """As `parsed`; another text ends the command."""
    try:
        return parsed(duration)
    except UsageError as error:
        _err.line(f"{error.code}: {error.message}")
        raise typer.Exit(int(error.exit_code)) from None
